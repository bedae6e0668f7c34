//! What a number of runs amounts to, and how it is printed.

/// How many of so many, with the Wilson interval at 95 %.
pub fn share(count: usize, of: usize) -> String {
    let (n, p, z) = (of as f64, count as f64 / of as f64, 1.96_f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let percent = |share: f64| (share.clamp(0.0, 1.0) * 1_000.0).round() / 10.0;
    format!("{} ({}–{})", percent(p), percent(middle - half), percent(middle + half))
}

/// What became of a run whose release went bad.
#[derive(Clone, Copy)]
pub enum Found {
    /// Rolled back before it went bad.
    Early,
    /// After so many minutes, or so many requests.
    After(f64),
    /// Not while one looked.
    Never,
}

/// The median and the ninth decile of what was found, over the runs that were not rolled back early.
pub fn delay(runs: &[Found]) -> String {
    let mut delays: Vec<f64> = runs
        .iter()
        .filter(|found| !matches!(found, Found::Early))
        .map(|found| if let Found::After(delay) = found { *delay } else { f64::INFINITY })
        .collect();
    delays.sort_by(f64::total_cmp);
    let early = runs.len() - delays.len();
    if early * 2 > runs.len() {
        return format!("early {} %", early * 100 / runs.len());
    }
    let at = |part: f64| delays.get((delays.len() as f64 * part) as usize).copied().unwrap_or(f64::INFINITY);
    let median = at(0.5);
    let text = if median.is_finite() { format!("{} / {}", round(median), round(at(0.9))) } else { "–".to_owned() };
    if early * 20 > runs.len() { format!("{text} (early {} %)", early * 100 / runs.len()) } else { text }
}

fn round(value: f64) -> String {
    match value {
        v if v.is_infinite() => "–".to_owned(),
        v if v < 10.0 => format!("{:.1}", v),
        v => format!("{:.0}", v),
    }
}

/// Prints a row of a Markdown table.
pub fn row(cells: impl IntoIterator<Item = String>) {
    println!("| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "));
}

/// Prints the head of a Markdown table.
pub fn head(cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    let line = vec!["---".to_owned(); cells.len()];
    println!();
    row(cells);
    row(line);
}
