//! A paper as a value: headings, sentences, lists, tables, plots.

use tidegate_model::Instant;

/// A paper.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What it is called.
    pub title: String,
    /// What stands under the title, small: what it was made of, and when.
    pub about: Vec<String>,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A part of a paper.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading, of level 2 to 4.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(Text),
    /// Something to be seen first: a title and what it says.
    Callout(Tone, String, Vec<Text>),
    /// Items in any order.
    List(Vec<Text>),
    /// Steps in this order.
    Steps(Vec<Text>),
    /// Items to tick.
    Checks(Vec<Check>),
    /// Rows under a head.
    Table(Table),
    /// Lines to be typed as they stand.
    Code(String),
    /// Figures over time.
    Plot(Plot),
    /// Room for somebody to write, with what is asked for.
    Write(String),
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is so.
    Plain,
    /// It went well.
    Good,
    /// Something is wrong, or must not be missed.
    Bad,
}

impl Tone {
    /// The tone's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// An item to tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Whether it is done.
    pub is_done: bool,
    /// What it is.
    pub text: Text,
    /// Who, by when, where to look.
    pub details: Vec<Text>,
}

/// Rows under a head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns' names.
    pub head: Vec<&'static str>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Text>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }
}

/// A text with what stands out in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Span>);

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// Words.
    Plain(String),
    /// Words that stand out.
    Strong(String),
    /// Words in a tone, such as a verdict.
    Toned(Tone, String),
    /// Something as it is typed.
    Code(String),
    /// Words that lead somewhere: to an address of `https`, `http` or `mailto`.
    Link(String, String),
}

impl Text {
    /// The text with more words.
    #[must_use]
    pub fn plain(mut self, words: impl Into<String>) -> Self {
        self.0.push(Span::Plain(words.into()));
        self
    }

    /// The text with more words, which stand out.
    #[must_use]
    pub fn strong(mut self, words: impl Into<String>) -> Self {
        self.0.push(Span::Strong(words.into()));
        self
    }

    /// The text with more words in a tone.
    #[must_use]
    pub fn toned(mut self, tone: Tone, words: impl Into<String>) -> Self {
        self.0.push(Span::Toned(tone, words.into()));
        self
    }

    /// The text with something as it is typed.
    #[must_use]
    pub fn code(mut self, words: impl Into<String>) -> Self {
        self.0.push(Span::Code(words.into()));
        self
    }

    /// The text with a link.
    #[must_use]
    pub fn link(mut self, words: impl Into<String>, address: impl Into<String>) -> Self {
        self.0.push(Span::Link(words.into(), address.into()));
        self
    }

    /// The text with another behind it.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Its words alone.
    pub fn words(&self) -> String {
        let words = |span: &Span| match span {
            Span::Plain(words) | Span::Strong(words) | Span::Toned(_, words) | Span::Code(words) => words.clone(),
            Span::Link(words, _) => words.clone(),
        };
        self.0.iter().map(words).collect()
    }
}

/// Words in which what stands between backticks is as it is typed: so `decide::explain` writes sentences.
impl From<&str> for Text {
    fn from(words: &str) -> Self {
        let parts: Vec<&str> = words.split('`').collect();
        // Backticks without a partner are what they are.
        if parts.len().is_multiple_of(2) {
            return Self::default().plain(words);
        }
        let spans = parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty());
        Self(
            spans
                .map(
                    |(index, part)| {
                        if index % 2 == 1 { Span::Code(part.to_owned()) } else { Span::Plain(part.to_owned()) }
                    },
                )
                .collect(),
        )
    }
}

impl From<String> for Text {
    fn from(words: String) -> Self {
        Self::from(words.as_str())
    }
}

/// Whether a link may lead there: nothing that a browser would run.
pub(crate) fn is_address(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
        && !address.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

/// Figures over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// How a figure is written.
    pub unit: tidegate_model::figure::Unit,
    /// The lines.
    pub lines: Vec<Line>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// A bound, and what it means.
    pub bound: Option<(f64, String)>,
    /// The first and the last moment shown.
    pub span: (Instant, Instant),
    /// What its hours are, and what they are called.
    pub zone: tidegate_model::zone::Zone,
}

/// A line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// The side that it is of.
    pub side: Side,
    /// Whether it jumps from value to value, as a percentage does.
    pub is_stepped: bool,
    /// What was measured, in the order of time; a gap where there is none.
    pub points: Vec<(Instant, Option<f64>)>,
}

/// Which side a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The new one.
    New,
    /// Legacy.
    Legacy,
}

/// Something that happened, at a moment of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// Its number, under which the text tells of it.
    pub label: String,
    /// How it is meant.
    pub tone: Tone,
}
