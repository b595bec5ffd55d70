//! The table of results.

/// What happened to some dispatches.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) how: String,
    pub(crate) dispatches: usize,
    pub(crate) runs: usize,
    pub(crate) result: String,
}

pub(crate) fn print(rows: &[Row]) {
    println!("{:<32}  {:<28}  {:>10}  {:>6}  result", "what", "how", "dispatches", "runs");
    for Row { what, how, dispatches, runs, result } in rows {
        println!("{what:<32}  {how:<28}  {dispatches:>10}  {runs:>6}  {result}");
    }
}
