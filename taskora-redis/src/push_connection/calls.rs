//! What the push connection asks Redis.

use taskora::AdapterError;
use taskora::adapter::{RenewLease, Renewal};

use super::{Registered, Renewals};
use crate::answer::{array, bytes, letters, nonsense, text};
use crate::codec::millis;
use crate::id;
use crate::link::Link;
use crate::scripts::SCRIPTS;

/// The most leases in one call.
const PAGE: usize = 256;

/// Registers the process for these ids, of which the first `watches` are watched.
pub(super) async fn register(
    link: &Link,
    tag: &str,
    ids: &[Vec<u8>],
    watches: usize,
) -> Result<Registered, AdapterError> {
    if ids.is_empty() {
        let generation = link.connect().await?;
        return Ok(Registered { generation, ends: Vec::new(), news: Vec::new() });
    }
    let (generation, answer) = link
        .script_on(&SCRIPTS.watch, |call, _| {
            call.put("tag", tag).put("watches", watches);
            for id in ids {
                call.list(id);
            }
        })
        .await?;
    let values = array(answer, "the answer to `watch`")?;
    if values.len() != 2 * (ids.len() + watches) {
        return Err(nonsense("`watch` answered another number of jobs"));
    }
    let mut values = values.into_iter();
    let (mut ends, mut news) = (Vec::with_capacity(ids.len()), Vec::with_capacity(watches));
    while let (Some(first), Some(second)) = (values.next(), values.next()) {
        if ends.len() < ids.len() {
            ends.push((text(first, "a task's name")?, bytes(second, "the end of a job")?));
        } else {
            news.push((bytes(first, "the state of a job")?, bytes(second, "the progress of a job")?));
        }
    }
    Ok(Registered { generation, ends, news })
}

pub(super) async fn renew(link: &Link, leases: &[RenewLease]) -> Renewals {
    let mut renewals = Vec::with_capacity(leases.len());
    for page in leases.chunks(PAGE) {
        let answer = link
            .script(&SCRIPTS.renew, |call, _| {
                for RenewLease { lease, length } in page {
                    let id = id::store(&lease.id);
                    call.list(&*lease.task).list(id::member(&id, lease)).list(id).list(millis(*length));
                }
            })
            .await?;
        for letter in letters(answer, page.len(), "the answer to `renew`")? {
            renewals.push(match letter {
                b'E' => Renewal::Extended,
                b'C' => Renewal::Cancelled,
                b'L' => Renewal::Lost,
                other => return Err(nonsense(format!("a renewal ended in {other}"))),
            });
        }
    }
    Ok(renewals)
}
