//! Jobs that must be in a list: collected, struck out as the list is read, and checked afterwards.

use std::collections::BTreeSet;

use taskora::AdapterError;
use taskora::adapter::AuditPage;

use super::{Gathered, Home, LISTS, PAGE, Pass, Scan, Step, whole};
use crate::answer::letters;
use crate::scripts::SCRIPTS;
use crate::upkeep::found::finding;

impl Pass {
    pub(super) fn gather(&mut self, place: &'static str, task: Vec<u8>, id: Vec<u8>, stamp: Vec<u8>) {
        self.count += 1;
        self.gathered.entry((place, task)).or_default().insert(id, Gathered { stamp, seen: None });
    }

    /// Strikes out collected jobs that are in their list.
    pub(super) fn strike(&mut self, scan: &Scan, entries: Vec<Vec<u8>>) {
        let places: &[&'static str] = match scan.name {
            "wait" => &["wait", "tombstones"],
            "owncompleted" => &["owncompleted"],
            _ => &["completed"],
        };
        for place in places {
            let home = (*place, scan.task.clone());
            let Some(gathered) = self.gathered.get_mut(&home) else { continue };
            for entry in &entries {
                let Some(known) = entry.get(6..).and_then(|id| gathered.get_mut(id)) else { continue };
                match &known.seen {
                    // pages overlap when jobs arrive in between
                    Some(seen) if seen != entry && *place == "wait" => {
                        let id = entry.get(6..).unwrap_or_default().to_vec();
                        let values = [known.stamp.clone(), seen.clone(), entry.clone()];
                        self.doubles.push((home.clone(), id, values));
                    }
                    _ => known.seen = Some(entry.clone()),
                }
            }
        }
    }

    pub(super) fn settle(&mut self, last: bool) {
        let mut next = Vec::new();
        if last {
            for task in &self.tasks {
                next.extend(LISTS.map(|name| Step::Scan(whole(name, task))));
            }
        }
        let lists: BTreeSet<Home> = self
            .gathered
            .keys()
            .map(|(place, task)| (if *place == "tombstones" { "wait" } else { *place }, task.clone()))
            .filter(|(_, task)| !last || !self.tasks.contains(task))
            .collect();
        next.extend(lists.iter().map(|(name, task)| Step::Scan(Scan { role: "line", ..whole(name, task) })));
        next.push(Step::Confirm);
        self.next(next);
    }

    pub(super) async fn confirm(&mut self) -> Result<AuditPage, AdapterError> {
        let mut suspects = Vec::new();
        for ((place, task), gathered) in self.gathered.drain() {
            for (id, known) in gathered.into_iter().filter(|(_, known)| known.seen.is_none()) {
                let notes = match place {
                    "tombstones" => {
                        [b"K".as_slice(), b"", &task, &id, &known.stamp].map(<[u8]>::to_vec).to_vec()
                    }
                    _ => [b"L".as_slice(), b"", &task, &id, place.as_bytes(), &known.stamp]
                        .map(<[u8]>::to_vec)
                        .to_vec(),
                };
                suspects.push(((place, task.clone()), id, known.stamp, notes));
            }
        }
        for (home, id, [stamp, first, second]) in self.doubles.drain(..) {
            // remove the entry that is further behind
            let (stays, goes) = if first < second { (first, second) } else { (second, first) };
            let notes = vec![b"U".to_vec(), b"wait".to_vec(), home.1.clone(), goes, stays];
            suspects.push((home, id, stamp, notes));
        }
        self.count = 0;
        let mut page = AuditPage::default();
        for some in suspects.chunks(PAGE as usize) {
            let answer = self.inner.script(&SCRIPTS.confirm, |call, _| {
                for ((place, task), id, stamp, _) in some {
                    call.list(place).list(task).list(id).list(stamp);
                }
            });
            let letters = letters(answer.await?, some.len(), "the answer to `confirm`")?;
            for ((.., notes), letter) in some.iter().zip(letters) {
                if letter == b'1' {
                    page.findings.push(finding(notes.clone())?);
                }
            }
        }
        Ok(page)
    }
}
