//! What the platform's driver is told of a step: the number of its shape, which it knows or asks for, or all of it.

use std::rc::Rc;

use fnv::FnvHashMap;

use super::requests::Platform;
use super::{Arrival, Isolate};
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::shape::{self, Outline, Shape};

/// So many shapes are known at once, of 2 KB at most each. A site has as many as there are sides, stages, kinds of
/// files and lives in caches; where there are more, all are forgotten and learned anew.
const SHAPES_MAX: usize = 512;

/// The shapes that were told.
#[derive(Default)]
pub(super) struct Shapes {
    /// No number is used twice, so a driver that remembers more than this is never wrong.
    last: u32,
    numbers: FnvHashMap<Rc<str>, u32>,
}

impl Shapes {
    fn number(&mut self, text: String) -> u32 {
        if let Some(number) = self.numbers.get(text.as_str()) {
            return *number;
        }
        if self.numbers.len() >= SHAPES_MAX {
            self.numbers.clear();
        }
        self.last = self.last.wrapping_add(1);
        self.numbers.insert(Rc::from(text), self.last);
        self.last
    }

    fn text(&self, number: u32) -> Option<Rc<str>> {
        self.numbers.iter().find(|(_, own)| **own == number).map(|(text, _)| Rc::clone(text))
    }
}

/// What is to be done next, as the driver is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// All of it: [`Arrival::to_text`], or a step's.
    Text(String),
    /// The request's number, the shape's, and the edits that are not in it.
    Shape {
        /// Of the request.
        number: u32,
        /// Of the shape.
        shape: u32,
        /// What comes after the shape's edits.
        own: String,
    },
}

impl Isolate {
    /// Takes a request in, as [`Isolate::arrive`] does.
    pub fn arrive_told(
        &mut self,
        request: RequestText,
        platform: &impl Platform,
        has_waited: bool,
        now_ms: f64,
    ) -> Told {
        let outline = Outline::of(&request);
        let arrival = self.arrive(request, platform, has_waited, now_ms);
        let Arrival::Begins(number, step) = &arrival else { return Told::Text(arrival.to_text()) };
        match outline.asking(step) {
            Some(shape) => self.told(*number, shape),
            None => Told::Text(arrival.to_text()),
        }
    }

    /// Goes on with a request that an upstream has answered, as [`Isolate::go_on`] does.
    pub fn go_on_told(&mut self, number: u32, answer: AnswerText, now_ms: f64) -> Told {
        let etag = answer.header("etag").map(str::to_owned);
        let step = self.go_on(number, Ok(answer), now_ms);
        match shape::answering(&step, etag.as_deref()) {
            Some(shape) => self.told(number, shape),
            None => Told::Text(step.to_text(number)),
        }
    }

    fn told(&mut self, number: u32, Shape { common, own }: Shape) -> Told {
        Told::Shape { number, shape: self.shapes.number(common), own }
    }

    /// A shape that was told a moment ago.
    pub fn shape(&self, number: u32) -> Option<Rc<str>> {
        self.shapes.text(number)
    }
}
