//! A step as the platform's driver gets it: the number of its shape, which it knows or asks for, or all of it.

use std::rc::Rc;

use fnv::FnvHashMap;

use super::requests::Platform;
use super::{Arrival, Isolate};
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::shape::{self, Outline, Shape};

/// So many shapes are known at once, of 2 KB at most each. A site has as many as there are sides, stages, kinds of
/// files and lives in caches; where there are more, all are forgotten and learned anew.
const SHAPES_MAX: usize = 512;

/// The shapes that were handed out.
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

/// What is to be done next, as the driver gets it.
#[derive(Debug, PartialEq, Eq)]
pub enum Encoded {
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
    pub fn arrive_encoded(
        &mut self,
        request: RequestText,
        platform: &impl Platform,
        has_waited: bool,
        now_ms: f64,
    ) -> Encoded {
        let outline = Outline::of(&request);
        let arrival = self.arrive(request, platform, has_waited, now_ms);
        let Arrival::Begins(number, step) = &arrival else { return Encoded::Text(arrival.to_text()) };
        match outline.asking(step) {
            Some(shape) => self.encoded(*number, shape),
            None => Encoded::Text(arrival.to_text()),
        }
    }

    /// Goes on with a request that an upstream has answered, as [`Isolate::go_on`] does.
    pub fn go_on_encoded(&mut self, number: u32, answer: AnswerText, now_ms: f64) -> Encoded {
        let etag = answer.header("etag").map(str::to_owned);
        let step = self.go_on(number, Ok(answer), now_ms);
        match shape::answering(&step, etag.as_deref()) {
            Some(shape) => self.encoded(number, shape),
            None => Encoded::Text(step.to_text(number)),
        }
    }

    fn encoded(&mut self, number: u32, Shape { common, own }: Shape) -> Encoded {
        Encoded::Shape { number, shape: self.shapes.number(common), own }
    }

    /// A shape that was handed out a moment ago.
    pub fn shape(&self, number: u32) -> Option<Rc<str>> {
        self.shapes.text(number)
    }
}
