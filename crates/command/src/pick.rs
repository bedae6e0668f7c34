//! `tidegate group pick`: a pilot whose users are like all of them.
//!
//! 1. The users are put in the order of their values in the columns that are to be alike, and those of the same values
//!    in a random one. Then every so manieth is taken, from a random beginning (systematic sampling). So each
//!    combination of values has its share of the pick but for one user, and each user the same chance to be in it.
//! 2. The same file, whatever the order of its lines, and the same seed give the same users.
//! 3. How like the whole they are is measured: by the total variation distance, half the sum of the differences of all
//!    shares. It is the share of the pick that would have to be others; 0 % is alike, and 100 % has nothing in common.
//! 4. What cannot be read is refused with its line. Nothing is guessed of who somebody is.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IsTerminal as _, Read as _, Write as _};

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde::Serialize;

use super::Failure;
use super::group::{HEADINGS, as_heading};
use super::paint::{WARN, note, paint};
use super::plans::PickArguments;
use super::words::counted;
use tidegate_decide::cohort::Seed;
use tidegate_model::group::{Fingerprints, trimmed};
use tidegate_model::no_id::is_no_id;
use tidegate_model::number::Grouped;
use tidegate_model::subject::SubjectHash;

/// What an empty cell is called.
const EMPTY: &str = "(empty)";
/// A pick that is further from the whole is not like it.
const DISTANCE_MAX: f64 = 0.05;

/// Who is in a file.
#[derive(Debug, Default)]
struct Users {
    /// The name of the column that the ids come from.
    id: String,
    /// Each user once, in the order of the file.
    ids: Vec<String>,
    /// The columns that are to be alike.
    columns: Vec<Column>,
    warnings: Vec<String>,
}

/// One column, and each user's value.
#[derive(Debug)]
struct Column {
    name: String,
    values: Vec<String>,
}

/// How like the whole a pick is in one column.
#[derive(Debug, PartialEq, Serialize)]
struct Likeness {
    column: String,
    /// How many different values there are.
    values: usize,
    /// Of which nobody is picked.
    missing: usize,
    /// The total variation distance.
    distance: f64,
    widest: Widest,
}

/// The value whose share differs most.
#[derive(Debug, PartialEq, Serialize)]
struct Widest {
    value: String,
    all: f64,
    picked: f64,
}

#[derive(Serialize)]
struct Written<'a> {
    group: &'a str,
    picked: usize,
    of: usize,
    seed: u64,
    id: &'a str,
    columns: &'a [Likeness],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

pub fn run(arguments: &PickArguments, json: bool) -> Result<(), Failure> {
    let PickArguments { name, from, size, seed, ids, .. } = arguments;
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::Usage(format!(
            "the list is not text: send it to a file, `tidegate group pick {name} … > {name}.group`"
        )));
    }
    let mut users = read(&bytes(from)?, arguments)?;
    let size = usize::try_from(*size).unwrap_or(usize::MAX);
    if users.ids.len() < size {
        let all = counted(users.ids.len(), "user");
        return Err(Failure::Usage(format!("{from} has {all}, and --size {size} asks for more")));
    }
    let picked = pick(&users, size, *seed);
    let columns: Vec<Likeness> = users.columns.iter().map(|column| likeness(column, &picked)).collect();
    users.warnings.extend(columns.iter().filter_map(|own| doubt(own, size)));
    let mut texts: Vec<&str> = picked.iter().filter_map(|index| users.ids.get(*index)).map(String::as_str).collect();
    texts.sort_unstable();
    if let Some(path) = ids {
        let lines: String = texts.iter().map(|id| format!("{id}\n")).collect();
        std::fs::write(path, lines).map_err(|error| Failure::Io(path.clone(), error))?;
    }
    let list = Fingerprints::of_ids(texts.iter().copied()).to_bytes();
    out.write_all(&list).and_then(|()| out.flush()).map_err(|error| Failure::Io("standard output".into(), error))?;
    let Users { id, ids, warnings, .. } = &users;
    if json {
        let (group, of) = (name.as_str(), ids.len());
        let written = Written { group, picked: picked.len(), of, seed: *seed, id, columns: &columns, warnings };
        eprintln!("{}", serde_json::to_string(&written).unwrap_or_default());
        return Ok(());
    }
    for warning in warnings {
        note(&format!("{} {warning}", paint(WARN, "warning:")));
    }
    tell(arguments, &users, picked.len(), &columns);
    Ok(())
}

fn tell(arguments: &PickArguments, users: &Users, picked: usize, columns: &[Likeness]) {
    let PickArguments { name, seed, .. } = arguments;
    let all = counted(users.ids.len(), "user");
    eprintln!("{} of {all}, by the column {}, with the seed {seed}", Grouped(picked as u64), users.id);
    let width = columns.iter().map(|own| own.column.chars().count()).max().unwrap_or_default();
    for own in columns {
        let Widest { value, all, picked } = &own.widest;
        eprintln!(
            "  {:width$}  {} away from all ({}); widest at {value}: {} of all, {} of these",
            own.column,
            percent(own.distance),
            counted(own.values, "value"),
            percent(*all),
            percent(*picked)
        );
    }
    eprintln!("next: npx wrangler kv key put --remote --binding ROLLOUTS group/{name} --path FILE");
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn bytes(from: &str) -> Result<Vec<u8>, Failure> {
    if from != "-" {
        return std::fs::read(from).map_err(|error| Failure::Io(from.to_owned(), error));
    }
    let mut all = Vec::new();
    io::stdin().lock().read_to_end(&mut all).map_err(|error| Failure::Io("standard input".into(), error))?;
    Ok(all)
}

/// Reads a file of users.
fn read(bytes: &[u8], arguments: &PickArguments) -> Result<Users, Failure> {
    let from = &arguments.from;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Failure::Usage(format!("{from} is UTF-16, as spreadsheets save it; save it as CSV in UTF-8")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let unreadable = |error| Failure::Usage(format!("{from}, {}", fault(error)));
    let mut reader = ReaderBuilder::new().delimiter(delimiter(bytes)).from_reader(bytes);
    let headings = reader.headers().map_err(unreadable)?.clone();
    let places = Places::of(&headings, arguments)?;
    let mut gathered = Gathered::default();
    for record in reader.records() {
        gathered.take(&record.map_err(unreadable)?, &places);
    }
    Ok(gathered.users(&headings, &places))
}

/// What stands between the values: a comma, or what programs of countries write that have the comma in their numbers.
fn delimiter(bytes: &[u8]) -> u8 {
    let heading = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |own: u8| heading.iter().filter(|byte| **byte == own).count();
    // Of as many, the last.
    [b'\t', b';', b','].into_iter().max_by_key(|own| count(*own)).unwrap_or(b',')
}

/// What is wrong with a line.
fn fault(error: csv::Error) -> String {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        ErrorKind::Utf8 { .. } => format!("line {line}: this is not UTF-8; save it as CSV in UTF-8"),
        ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "line {line}: {}, and the heading has {expected_len}; a value with the separator in it stands in quotes",
            counted(*len as usize, "value")
        ),
        _ => format!("line {line}: {error}"),
    }
}

/// Where in a line what is wanted stands.
struct Places {
    id: usize,
    like: Vec<usize>,
}

impl Places {
    fn of(headings: &StringRecord, arguments: &PickArguments) -> Result<Self, Failure> {
        let known: Vec<&str> = headings.iter().map(str::trim).collect();
        if known.iter().all(|name| name.is_empty()) {
            return Err(Failure::Usage(format!("{} has no heading: its first line names the columns", arguments.from)));
        }
        let place = |name: &str| {
            let mut places = known.iter().enumerate().filter(|(_, own)| own.eq_ignore_ascii_case(name.trim()));
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => Err(Failure::Usage(format!("two columns are called `{name}`"))),
                (None, _) => Err(Failure::Usage(format!("no column is called `{name}` (known: {})", known.join(", ")))),
            }
        };
        let id = match &arguments.id {
            Some(name) => place(name)?,
            None => of_ids(&known).ok_or_else(|| {
                Failure::Usage(format!("which column holds the ids? --id COLUMN says so (known: {})", known.join(", ")))
            })?,
        };
        let like = arguments.like.iter().map(|name| place(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { id, like })
    }
}

/// The column of ids, by the names that such columns have.
fn of_ids(known: &[&str]) -> Option<usize> {
    let rank = |name: &str| HEADINGS.iter().position(|own| *own == as_heading(name));
    let ranked = known.iter().enumerate().filter_map(|(place, name)| Some((rank(name)?, place)));
    ranked.min().map(|(_, place)| place)
}

/// What was read so far.
#[derive(Default)]
struct Gathered {
    ids: Vec<String>,
    values: Vec<Vec<String>>,
    /// Where each id stands.
    places: HashMap<String, usize>,
    without_id: usize,
    repeated: usize,
    contradicting: usize,
}

impl Gathered {
    fn take(&mut self, record: &StringRecord, places: &Places) {
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let id = trimmed(cell(places.id));
        if id.is_empty() || is_no_id(id) {
            self.without_id += 1;
            return;
        }
        let values: Vec<String> = places.like.iter().map(|place| value(cell(*place))).collect();
        if let Some(first) = self.places.get(id).and_then(|place| self.values.get(*place)) {
            self.repeated += 1;
            self.contradicting += usize::from(*first != values);
            return;
        }
        self.places.insert(id.to_owned(), self.ids.len());
        self.ids.push(id.to_owned());
        self.values.push(values);
    }

    fn users(self, headings: &StringRecord, places: &Places) -> Users {
        let name = |place: usize| headings.get(place).unwrap_or_default().trim().to_owned();
        let column = |(index, place): (usize, &usize)| Column {
            name: name(*place),
            values: self.values.iter().filter_map(|own| own.get(index)).cloned().collect(),
        };
        let columns = places.like.iter().enumerate().map(column).collect();
        let lines = |count: usize, what: &str| (count > 0).then(|| format!("{} {what}", counted(count, "line")));
        let warnings = [
            lines(self.without_id, "without an id, or with a placeholder in its place, which were left out"),
            lines(self.repeated, "with an id that stands there already, counted once"),
            lines(self.contradicting, "of these with other values than the first one, which counts"),
        ];
        let warnings = warnings.into_iter().flatten().collect();
        Users { id: name(places.id), ids: self.ids, columns, warnings }
    }
}

fn value(cell: &str) -> String {
    let cell = cell.trim();
    if cell.is_empty() { EMPTY.to_owned() } else { cell.to_owned() }
}

/// Picks so many users, at most as many as there are: their places, ascending.
fn pick(users: &Users, size: usize, seed: u64) -> Vec<usize> {
    let shuffled = Seed::of(&format!("tidegate/pick/{seed}"));
    let number = |id: &str| shuffled.hash(SubjectHash::of(id.as_bytes()));
    let mut order: Vec<usize> = (0..users.ids.len()).collect();
    order.sort_by_cached_key(|index| {
        let values: Vec<&str> =
            users.columns.iter().filter_map(|column| column.values.get(*index)).map(String::as_str).collect();
        let id = users.ids.get(*index).map_or("", String::as_str);
        (values, number(id), id)
    });
    let all = order.len() as u128;
    let begin = u128::from(number("")) % all.max(1);
    let place = |nth: usize| usize::try_from((nth as u128 * all + begin) / size.max(1) as u128).unwrap_or_default();
    let mut picked: Vec<usize> = (0..size).filter_map(|nth| order.get(place(nth)).copied()).collect();
    picked.sort_unstable();
    picked
}

/// How like the whole a pick is in a column.
fn likeness(column: &Column, picked: &[usize]) -> Likeness {
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for value in &column.values {
        counts.entry(value).or_default().0 += 1.0;
    }
    for value in picked.iter().filter_map(|index| column.values.get(*index)) {
        counts.entry(value).or_default().1 += 1.0;
    }
    let (whole, part) = (column.values.len().max(1) as f64, picked.len().max(1) as f64);
    let shares = counts.iter().map(|(value, (all, own))| (*value, all / whole, own / part));
    let gap = |(_, all, own): &(&str, f64, f64)| (all - own).abs();
    let widest = shares.clone().max_by(|one, other| gap(one).total_cmp(&gap(other)));
    let (value, all, own) = widest.unwrap_or_default();
    Likeness {
        column: column.name.clone(),
        values: counts.len(),
        missing: counts.values().filter(|(_, own)| *own == 0.0).count(),
        distance: shares.map(|share| gap(&share)).sum::<f64>() / 2.0,
        widest: Widest { value: value.to_owned(), all, picked: own },
    }
}

/// Why a pick is not like the whole in a column.
fn doubt(own: &Likeness, size: usize) -> Option<String> {
    if own.distance <= DISTANCE_MAX {
        return None;
    }
    let Likeness { column, values, missing, distance, .. } = own;
    let nobody = if *missing > 0 { format!(", {} without anybody", counted(*missing, "value")) } else { String::new() };
    Some(format!(
        "in {column} the pick is {} away from all{nobody}: {} are many for {}",
        percent(*distance),
        counted(*values, "value"),
        counted(size, "user")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(like: &[&str], id: Option<&str>) -> PickArguments {
        PickArguments {
            name: "pilot".parse().unwrap(),
            from: "users.csv".into(),
            size: 1,
            like: like.iter().map(|name| (*name).to_owned()).collect(),
            id: id.map(str::to_owned),
            seed: 1,
            ids: None,
        }
    }

    fn read_like(text: impl AsRef<[u8]>, like: &[&str]) -> Result<Users, String> {
        read(text.as_ref(), &arguments(like, None)).map_err(|failure| match failure {
            Failure::Usage(text) => text,
            _ => unreachable!(),
        })
    }

    #[track_caller]
    fn refuses(text: impl AsRef<[u8]>, like: &[&str], expected: &str) {
        assert_eq!(read_like(text, like).map(|users| users.ids).unwrap_err(), expected);
    }

    #[test]
    fn spreadsheets_of_all_kinds_are_read_alike() {
        for text in [
            "user_id,country\nana,DE\nben,\n",
            "\u{feff}user_id,country\r\nana,DE\r\nben,\r\n",
            "User ID;Country\nana; DE \n ben ;",
            "\"user_id\"\t\"country\"\nana\tDE\nben\t\"\"\n",
            "name,user_id,country\n\"Ana\n, of \"\"A\"\"\",ana,DE\nBen,ben,\n",
        ] {
            let users = read_like(text, &["country"]).unwrap();
            assert_eq!(users.ids, ["ana", "ben"], "{text:?}");
            assert_eq!(users.columns[0].values, ["DE", EMPTY], "{text:?}");
            assert!(users.warnings.is_empty(), "{:?}", users.warnings);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        refuses(
            "id,country\nana,DE\nben,DE,x\n",
            &["country"],
            "users.csv, line 3: 3 values, and the heading has 2; a value with the separator in it stands in quotes",
        );
        refuses(b"id\nana\njos\xe9\n", &[], "users.csv, line 3: this is not UTF-8; save it as CSV in UTF-8");
        refuses(b"i\xe9\nana\n", &[], "users.csv, line 1: this is not UTF-8; save it as CSV in UTF-8");
        refuses(b"\xff\xfei\0d\0", &[], "users.csv is UTF-16, as spreadsheets save it; save it as CSV in UTF-8");
        refuses("", &[], "users.csv has no heading: its first line names the columns");
        refuses("id,country\n", &["contry"], "no column is called `contry` (known: id, country)");
        refuses("id,plan,Plan\n", &["plan"], "two columns are called `plan`");
        refuses("who,plan\n", &["plan"], "which column holds the ids? --id COLUMN says so (known: who, plan)");
        let users = read(b"who,plan\nana,pro\n", &arguments(&["plan"], Some("who"))).ok().unwrap();
        assert_eq!((users.id.as_str(), users.ids.len()), ("who", 1));
        assert_eq!(
            read_like("name,country,user_id\n", &[]).unwrap().id,
            "user_id",
            "a name is no id where there is one"
        );
    }

    #[test]
    fn who_stands_there_twice_counts_once_and_who_is_nobody_not_at_all() {
        let users = read_like("id,plan\nana,pro\n,pro\nana,pro\nnull,pro\nana,free\n", &["plan"]).unwrap();
        assert_eq!(users.ids, ["ana"]);
        assert_eq!(
            users.warnings,
            [
                "2 lines without an id, or with a placeholder in its place, which were left out",
                "2 lines with an id that stands there already, counted once",
                "1 line of these with other values than the first one, which counts",
            ]
        );
    }

    /// Users of four countries and three plans, in unequal shares.
    fn many(count: usize) -> String {
        let lines = (0..count).map(|n| {
            let country = ["DE", "DE", "DE", "DE", "DE", "AT", "AT", "AT", "CH", "LI"][n % 10];
            let plan = ["free", "free", "free", "pro", "pro", "team", "free"][n / 3 % 7];
            format!("user-{n},{country},{plan}\n")
        });
        std::iter::once("id,country,plan\n".to_owned()).chain(lines).collect()
    }

    #[test]
    fn a_pick_is_like_the_whole_and_depends_on_the_seed_alone() {
        let text = many(5_000);
        let users = read_like(&text, &["country", "plan"]).unwrap();
        let ids = |users: &Users, seed| {
            let mut ids: Vec<String> = pick(users, 200, seed).iter().map(|index| users.ids[*index].clone()).collect();
            ids.sort_unstable();
            ids
        };
        for seed in 1..=20 {
            let picked = pick(&users, 200, seed);
            let mut distinct = picked.clone();
            distinct.dedup();
            assert_eq!(distinct.len(), 200);
            for column in &users.columns {
                let likeness = likeness(column, &picked);
                assert!(likeness.distance <= 0.03 && likeness.missing == 0, "seed {seed}: {likeness:?}");
                assert_eq!(doubt(&likeness, 200), None);
            }
        }
        let mut lines: Vec<&str> = text.lines().skip(1).collect();
        lines.reverse();
        let reversed = read_like(format!("id,country,plan\n{}\n", lines.join("\n")), &["country", "plan"]).unwrap();
        assert_eq!(ids(&users, 7), ids(&reversed, 7));
        assert_ne!(ids(&users, 7), ids(&users, 8));
        assert_eq!(pick(&users, 5_000, 1).len(), 5_000, "all of them");
    }

    /// Each user has the same chance, whatever the strata: over many seeds everybody is picked about as often.
    #[test]
    fn nobody_is_favoured() {
        let users = read_like(many(50), &["country", "plan"]).unwrap();
        let mut times = vec![0_u32; 50];
        for seed in 0..2_000 {
            pick(&users, 10, seed).into_iter().for_each(|index| times[index] += 1);
        }
        // 400 each, with a standard deviation of 18.
        assert!(times.iter().all(|times| (310..490).contains(times)), "{times:?}");
    }

    #[test]
    fn a_column_of_many_values_is_said_to_be_unlike() {
        let text: String = (0..100).map(|n| format!("user-{n},town {n}\n")).collect();
        let users = read_like(format!("id,town\n{text}"), &["town"]).unwrap();
        let own = likeness(&users.columns[0], &pick(&users, 10, 1));
        assert!((own.distance - 0.9).abs() < 1e-9 && own.missing == 90, "{own:?}");
        assert_eq!(
            doubt(&own, 10).as_deref(),
            Some(
                "in town the pick is 90.0 % away from all, 90 values without anybody: 100 values are many for 10 users"
            )
        );
    }
}
