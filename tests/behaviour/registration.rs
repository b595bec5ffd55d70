//! What a worker is made of: handlers, their state, and the settings.

use std::time::Duration;

use taskora::{Error, WorkerError, prelude::*};

use crate::support::{Probe, Store, on_both, result};

mod contracts {
    use super::*;

    #[derive(Task, Serialize, Deserialize)]
    #[task(name = "measure", output = usize, retry = 2)]
    pub(super) struct Measure {
        pub text: String,
    }
}

#[task(implements = contracts::Measure)]
async fn measure(text: String) -> usize {
    text.chars().count()
}

mod one {
    use super::*;
    #[task(name = "twin")]
    pub(super) async fn first() {}
}

mod two {
    use super::*;
    #[task(name = "twin")]
    pub(super) async fn second() {}
    #[task(aliases = ["twin"])]
    pub(super) async fn third() {}
}

#[derive(Clone)]
struct Mailer(&'static str);

#[derive(Clone)]
struct Limit(u32);

#[derive(Clone, FromRef)]
struct Services {
    mailer: Mailer,
    limit: Limit,
    probe: Probe,
}

#[task]
async fn with_parts(n: u32, mailer: State<Mailer>, State(limit): State<Limit>) -> String {
    format!("{} {}", mailer.0.0, n.min(limit.0))
}

#[task]
async fn with_all(services: State<Services>) -> String {
    services.probe.saw("with all");
    services.mailer.0.to_owned()
}

async fn refusal(builder: taskora::WorkerBuilder<()>) -> WorkerError {
    match builder.start().await {
        Err(Error::Worker(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

on_both! {
    async fn a_contract_is_dispatched_here_and_implemented_there(store: Store) {
        let (producer, consumer) = (store.app().await, store.app().await);
        let handle = producer.dispatch(contracts::Measure { text: "Übermut".into() }).await.unwrap();
        let worker = Worker::builder(&consumer).register::<MeasureHandler>().start().await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn two_handlers_for_one_name_are_refused_with_both_places(store: Store) {
        let app = store.app().await;
        let error = refusal(Worker::builder(&app).register::<one::First>().register::<two::Second>()).await;
        let WorkerError::DuplicateHandler { task, first, second } = &error else { panic!("{error:?}") };
        assert_eq!(task, "twin");
        assert_ne!(first, second);
        for place in [first, second] {
            assert!(place.contains("registration.rs:"), "{place}");
            assert!(error.to_string().contains(place), "{error}");
        }
    }

    async fn a_handler_that_is_registered_twice_is_named_once(store: Store) {
        let app = store.app().await;
        let error = refusal(Worker::builder(&app).register::<one::First>().register::<one::First>()).await;
        let WorkerError::DuplicateHandler { first, second, .. } = &error else { panic!("{error:?}") };
        assert_eq!(first, second);
        assert_eq!(error.to_string(), format!("task `twin` of {first} is registered twice; register it once"));
    }

    async fn an_alias_that_is_another_handlers_name_is_refused(store: Store) {
        let app = store.app().await;
        let error = refusal(Worker::builder(&app).register_all(tasks![one::First, two::Third])).await;
        assert!(matches!(error, WorkerError::DuplicateHandler { task, .. } if task == "twin"));
    }

    async fn settings_that_cannot_work_are_refused(store: Store) {
        let app = store.app().await;
        assert!(matches!(refusal(Worker::builder(&app)).await, WorkerError::NoHandlers));
        let with_handler = || Worker::builder(&app).register::<one::First>();
        for builder in [
            with_handler().concurrency(0),
            with_handler().lease(Duration::from_millis(99)),
            with_handler().sweep(Duration::ZERO),
        ] {
            assert!(matches!(refusal(builder).await, WorkerError::InvalidSetting(_)));
        }
    }

    async fn handlers_take_their_part_of_the_state(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let services = Services { mailer: Mailer("smtp"), limit: Limit(5), probe: probe.clone() };
        let worker =
            Worker::builder(&app).state(services).register_all(tasks![WithParts, WithAll]).start().await.unwrap();
        let parts = app.dispatch(WithParts { n: 9 }).await.unwrap();
        assert_eq!(result(&parts).await.unwrap(), "smtp 5");
        let all = app.dispatch(WithAll {}).await.unwrap();
        assert_eq!(result(&all).await.unwrap(), "smtp");
        assert_eq!(probe.seen(), ["with all"]);
        worker.shutdown().await.unwrap();
    }

    async fn each_handler_keeps_the_state_it_was_registered_with(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app)
            .state(Services { mailer: Mailer("smtp"), limit: Limit(2), probe: Probe::new() })
            .register::<WithParts>()
            .state(())
            .register::<one::First>()
            .start()
            .await
            .unwrap();
        let parts = app.dispatch(WithParts::s().n(1u32)).await.unwrap();
        assert_eq!(result(&parts).await.unwrap(), "smtp 1");
        let first = app.dispatch(one::First {}).await.unwrap();
        result(&first).await.unwrap();
        worker.shutdown().await.unwrap();
    }
}
