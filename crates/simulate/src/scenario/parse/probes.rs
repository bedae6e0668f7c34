//! Lines about probes: the share of those of new that pass.

use super::super::words::{Token, meant, name, number};
use super::super::{What, When};
use super::Parser;
use tidegate_model::fault::Fault;

impl<'a> Parser<'_, 'a> {
    pub(super) fn probe(&mut self, word: &Token<'a>, probe: &str) -> Result<(What, When), Fault> {
        let known: Vec<&str> = self.plans.iter().flat_map(|plan| &plan.probes).map(|own| own.name.as_str()).collect();
        if !known.contains(&probe) {
            return Err(word.fault(format!("no probe is called `{probe}`"), meant(probe, &known)));
        }
        let name = name(word, probe)?;
        self.equals()?;
        let amount = self.r.wanted("the share that passes", "50%")?;
        match number(&amount) {
            Some((percent, "%")) if (0.0..=100.0).contains(&percent) => {
                Ok((What::Probe(name, percent / 100.0), self.span()?))
            }
            _ => Err(amount.fault(format!("`{}` is no share", amount.text), "a percentage such as 50%")),
        }
    }
}
