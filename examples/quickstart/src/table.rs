//! The table of results.

use std::time::Duration;

use taskora::{JobError, JobInfo};

use crate::summary::Summary;

/// What became of one job.
pub(crate) struct Row {
    file: String,
    result: Result<Summary, JobError>,
    attempts: u32,
    /// From the dispatch to the end, rests between attempts included.
    took: Option<Duration>,
}

impl Row {
    pub(crate) fn new(file: &str, result: Result<Summary, JobError>, info: Option<JobInfo>) -> Self {
        Self {
            file: file.to_owned(),
            result,
            attempts: info.as_ref().map_or(0, |info| info.attempts),
            took: info.and_then(|info| Some(info.finished_at?.since(info.created_at))),
        }
    }

    pub(crate) const fn is_completed(&self) -> bool {
        self.result.is_ok()
    }
}

pub(crate) fn print(rows: &[Row]) {
    let width = rows.iter().map(|row| row.file.chars().count()).max().unwrap_or(0).max("file".len());
    println!("{:width$}  attempts     time   lines    words  most frequent word", "file");
    for Row { file, result, attempts, took } in rows {
        let took = took.map_or("?".to_owned(), |took| format!("{} ms", took.as_millis()));
        print!("{file:width$}  {attempts:>8}  {took:>7}  ");
        match result {
            Ok(Summary { lines, words, favourite }) => {
                let favourite = favourite.as_ref().map(|(word, count)| format!("{word} ({count})"));
                println!("{lines:>6}  {words:>7}  {}", favourite.unwrap_or_default());
            }
            Err(error) => println!("failed: {error}"),
        }
    }
    let completed = rows.iter().filter(|row| row.is_completed()).count();
    let jobs = if rows.len() == 1 { "job" } else { "jobs" };
    println!("\n{} {jobs}: {completed} completed, {} failed", rows.len(), rows.len() - completed);
}
