//! Keys of dispatches whose owner ends in a call that fails.

use taskora::adapter::{Admissions, Admitted, NewJob};

use crate::garbage::world::{World, following};
use crate::kit::{TASK, complete, job};
use crate::server::Server;

/// Settles an owner that another job waits for, and lets this fail at its n-th write; then dispatches a third job of the key. Whether the
/// call failed.
async fn settle_owner(server: &Server, n: usize, repeats: bool) -> bool {
    let mut world = World::new(server).await;
    let key = "the key";
    let dispatch = |id: &str| vec![following(NewJob { id: id.into(), ..job(id) }, key)];
    let adapter = world.adapter.clone();
    assert_eq!(adapter.admit(dispatch("owner")).await.unwrap(), [Admitted::New]);
    let owner = world.exchange(&[TASK], Vec::new(), 100).await.unwrap();
    let owner = owner.jobs.iter().find(|job| job.lease.id.as_str() == "owner").expect("it waits").clone();
    assert_eq!(adapter.admit(dispatch("behind")).await.unwrap(), [Admitted::New]);

    world.by_hand(&["SET", "{taskora}:failpoint", &format!("exchange {n}")]);
    let number = world.number;
    let settled = world.exchange(&[TASK], vec![complete(&owner)], 0).await;
    world.by_hand(&["DEL", "{taskora}:failpoint"]);
    let has_failed = world.by_hand(&["EXISTS", "{taskora}:damaged"]) != redis::Value::Int(0);
    assert_eq!(has_failed, settled.is_err(), "{n}");
    if has_failed && repeats {
        world.number = number;
        world.exchange(&[TASK], vec![complete(&owner)], 0).await.unwrap();
    }
    // it neither runs beside the one that waits nor takes its place in the key
    let third = adapter.admit(dispatch("third")).await.unwrap();
    assert_eq!(third, [Admitted::Replaced("behind".into())], "{n}, repeats: {repeats}");
    has_failed
}

#[tokio::test]
async fn a_key_stays_with_the_job_that_waits_for_it_wherever_its_owners_end_fails() {
    let server = Server::start();
    for repeats in [true, false] {
        let mut n = 1;
        while settle_owner(&server, n, repeats).await {
            n += 1;
        }
        assert!(n > 5, "there are more writes than {n}");
    }
}
