//! Ids of the caller's own: whose they are, and what a second dispatch does.

use serde_json::json;
use taskora::{CancelOutcome, DispatchError, prelude::*};

use crate::support::{Store, failure, on_both, result};

#[task(aliases = ["pay"])]
async fn charge_card(amount: u32) -> Result<String, String> {
    if amount == 0 { Err("declined".into()) } else { Ok(format!("charged {amount}")) }
}

#[task]
async fn send_receipt(to: String) -> String {
    format!("sent to {to}")
}

fn receipt() -> SendReceipt {
    SendReceipt { to: "ada@example.com".into() }
}

async fn worker(app: &App) -> Worker {
    Worker::builder(app).register_all(tasks![ChargeCard, SendReceipt]).start().await.unwrap()
}

on_both! {
    async fn an_id_that_belongs_to_another_task_is_refused(store: Store) {
        let app = store.app().await;
        let charge = app.dispatch(ChargeCard { amount: 7 }).id("order-7").await.unwrap();
        let error = app.dispatch(receipt()).id("order-7").await.unwrap_err();
        match &error {
            DispatchError::IdTaken { id, task, stored } => {
                assert_eq!((id.as_str(), &**task, stored.len()), ("order-7", "charge-card", 0));
            }
            other => panic!("{other:?}"),
        }
        assert!(!error.is_retryable());
        let raw = app.dispatch_raw("send-receipt", json!({ "to": "a" })).id("order-7").await;
        assert!(matches!(raw, Err(DispatchError::IdTaken { .. })));
        assert_eq!(app.counts("send-receipt").await.unwrap().waiting, 0);

        let worker = worker(&app).await;
        assert_eq!(result(&charge).await.unwrap(), "charged 7");
        // also when it has ended
        assert!(matches!(app.dispatch(receipt()).id("order-7").await, Err(DispatchError::IdTaken { .. })));
        let own = app.dispatch(receipt()).id("send-receipt:7").await.unwrap();
        assert_eq!(result(&own).await.unwrap(), "sent to ada@example.com");
        worker.shutdown().await.unwrap();
    }

    async fn many_jobs_of_which_one_id_is_taken_say_which_are_stored(store: Store) {
        let app = store.app().await;
        app.dispatch(ChargeCard { amount: 7 }).id("taken").await.unwrap();
        app.dispatch(receipt()).id("known").await.unwrap();
        let ids = ["known", "first", "taken", "last"];
        let error = app.dispatch_many(ids.map(|_| receipt())).ids(ids).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "job id `taken` belongs to a job of task `charge-card`; use an id that begins with the name of its task; \
             of the same dispatch, 3 jobs were stored"
        );
        let DispatchError::IdTaken { id, stored, .. } = error else { panic!("{error:?}") };
        assert_eq!((id.as_str(), stored), ("taken", ["known", "first", "last"].map(JobId::from).to_vec()));
        assert_eq!(app.counts("send-receipt").await.unwrap().waiting, 3);

        // of 1,501 jobs, what comes after the calls that were under way is not stored
        let ids: Vec<_> = (0..1_501).map(|n| if n == 3 { "taken".to_owned() } else { format!("n{n}") }).collect();
        let error = app.dispatch_many(ids.iter().map(|_| receipt())).ids(ids).await.unwrap_err();
        let DispatchError::IdTaken { stored, .. } = error else { panic!("{error:?}") };
        assert_eq!(stored.len(), 999);
        assert_eq!(app.counts("send-receipt").await.unwrap().waiting, 3 + 999);
    }

    async fn a_handle_of_another_tasks_job_says_so(store: Store) {
        let app = store.app().await;
        app.dispatch(ChargeCard { amount: 7 }).id("order-7").await.unwrap();
        let wrong = app.job::<SendReceipt>("order-7");
        let is_other = |error: JobError| match &error {
            JobError::OtherTask { id, task, expected } => {
                assert_eq!((id.as_str(), &**task, &**expected), ("order-7", "charge-card", "send-receipt"));
            }
            other => panic!("{other:?}"),
        };
        is_other(wrong.state().await.unwrap_err());
        is_other(wrong.info().await.unwrap_err());
        is_other(wrong.progress::<u32>().await.unwrap_err());
        is_other(wrong.logs().await.unwrap_err());
        is_other(wrong.cancel("mistaken").await.unwrap_err());

        let worker = worker(&app).await;
        assert_eq!(result(&app.job::<ChargeCard>("order-7")).await.unwrap(), "charged 7", "it was not cancelled");
        is_other(result(&wrong).await.unwrap_err());
        assert_eq!(result(&app.job_raw("order-7")).await.unwrap(), json!("charged 7"), "whatever its task");
        assert!(matches!(app.job::<SendReceipt>("nobody").cancel("").await, Ok(CancelOutcome::NotFound)));
        worker.shutdown().await.unwrap();
    }

    async fn a_renamed_task_knows_the_jobs_of_its_older_name(store: Store) {
        let app = store.app().await;
        app.dispatch_raw("pay", json!({ "amount": 3 })).id("order-3").await.unwrap();
        let again = app.dispatch(ChargeCard { amount: 3 }).id("order-3").await.unwrap();
        assert_eq!(again.outcome(), &Outcome::Duplicate("order-3".into()));
        let worker = worker(&app).await;
        assert_eq!(result(&again).await.unwrap(), "charged 3");
        assert_eq!(result(&app.job::<ChargeCard>("order-3")).await.unwrap(), "charged 3");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_failed_is_replaced_if_the_dispatch_says_so(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let declined = app.dispatch(ChargeCard { amount: 0 }).id("order-7").await.unwrap();
        assert_eq!(failure(result(&declined).await).0, "declined");

        let again = app.dispatch(ChargeCard { amount: 7 }).id("order-7").await.unwrap();
        assert_eq!(again.outcome(), &Outcome::Duplicate("order-7".into()));
        assert_eq!(failure(result(&again).await).0, "declined", "the corrected order did not run");
        let corrected = app.dispatch(ChargeCard { amount: 7 }).id("order-7").replace_failed().await.unwrap();
        assert_eq!(corrected.outcome(), &Outcome::Enqueued);
        assert_eq!(result(&corrected).await.unwrap(), "charged 7");
        let late = app.dispatch(ChargeCard { amount: 9 }).id("order-7").replace_failed().await.unwrap();
        assert_eq!(late.outcome(), &Outcome::Duplicate("order-7".into()));
        assert_eq!(result(&late).await.unwrap(), "charged 7", "what has completed stays");
        worker.shutdown().await.unwrap();
    }

    async fn replacing_needs_an_id(store: Store) {
        let app = store.app().await;
        let error = app.dispatch(receipt()).replace_failed().await.unwrap_err();
        assert!(matches!(error, DispatchError::InvalidOption(_)), "{error:?}");
        assert_eq!(app.counts("send-receipt").await.unwrap().waiting, 0);
    }
}
