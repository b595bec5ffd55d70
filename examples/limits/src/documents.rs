//! Documents that change all the time, and a search index that should be rebuilt once the changes are over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskora::prelude::*;

use crate::table::Row;

const DOCUMENTS: u32 = 3;
const CHANGES: u32 = 100;

/// Of each document, how often it was indexed, and the last revision.
#[derive(Clone, Default)]
pub(crate) struct Index(Arc<Mutex<HashMap<u32, (usize, u32)>>>);

impl Index {
    fn documents(&self) -> MutexGuard<'_, HashMap<u32, (usize, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[task]
pub(crate) async fn reindex(document: u32, revision: u32, index: State<Index>) {
    let mut documents = index.documents();
    let (runs, last) = documents.entry(document).or_default();
    *runs += 1;
    *last = revision;
}

pub(crate) async fn rows(app: &App, index: &Index) -> Result<Vec<Row>, taskora::Error> {
    let (rest, most) = (Duration::from_millis(100), Duration::from_millis(400));
    let mut last = Vec::new();
    for revision in 1..=CHANGES {
        last.clear();
        for document in 0..DOCUMENTS {
            let job = app.dispatch(Reindex { document, revision });
            last.push(job.debounce(document, rest).max_wait(most).await?);
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    // each handle follows the job that has this payload now
    for handle in last {
        handle.result().await?;
    }
    let mut documents: Vec<_> =
        index.documents().iter().map(|(document, about)| (*document, *about)).collect();
    documents.sort_unstable();
    let row = |(document, (runs, revision)): (u32, (usize, u32))| Row {
        what: "a document changes 100 times",
        how: "debounce(..).max_wait(..)".to_owned(),
        dispatches: CHANGES as usize,
        runs,
        result: format!("revision {revision} of document {document} is indexed"),
    };
    Ok(documents.into_iter().map(row).collect())
}
