//! Lines about shares that no side has beside the other: of the probes of new that pass, and of the users on new who go
//! back.

use super::super::words::{Token, meant, name, number, share};
use super::super::{What, When};
use super::Parser;
use tidegate_decide::judge::adoption::OPTED_OUT;
use tidegate_model::condition::Metric;
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

    pub(super) fn opt_outs(&mut self, word: &Token<'a>) -> Result<(What, When), Fault> {
        if self.names(|metric| (*metric == Metric::OptOutRate).then_some(OPTED_OUT)).is_empty() {
            return Err(word.fault(
                "no condition is about `opt_out_rate`".to_owned(),
                "a gate or a guardrail has to ask for it".to_owned(),
            ));
        }
        let name = name(word, OPTED_OUT)?;
        self.equals()?;
        let amount = self.r.wanted("the share of the users on new", "`opt_out_rate = 5% from canary`")?;
        Ok((What::Share(name, share(&amount)?), self.span()?))
    }
}
