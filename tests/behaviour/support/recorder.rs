//! What is logged, for tests of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

thread_local! {
    /// The spans that this thread is in.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what taskora and handlers log, as lines such as `WARN message a=1 in attempt{task=echo}`.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Kept>);

#[derive(Default)]
struct Kept {
    lines: Mutex<Vec<String>>,
    spans: Mutex<HashMap<u64, (&'static Metadata<'static>, String)>>,
    made: AtomicU64,
}

impl Recorder {
    /// Records what this thread logs while the guard lives.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    /// The lines that contain this text.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        self.0.lines.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("taskora") || metadata.target().starts_with("all")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.0.made.fetch_add(1, Ordering::Relaxed) + 1;
        let mut text = Text(String::new());
        attributes.record(&mut text);
        let span = format!("{}{{{}}}", attributes.metadata().name(), text.0.trim());
        self.0.spans.lock().unwrap().insert(id, (attributes.metadata(), span));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut line = format!("{} {}", event.metadata().level(), text.0);
        if let Some(span) = ENTERED.with_borrow(|entered| entered.last().copied()) {
            write!(line, " in {}", self.0.spans.lock().unwrap()[&span].1).unwrap();
        }
        self.0.lines.lock().unwrap().push(line);
    }

    fn current_span(&self) -> Current {
        match ENTERED.with_borrow(|entered| entered.last().copied()) {
            Some(span) => Current::new(Id::from_u64(span), self.0.spans.lock().unwrap()[&span].0),
            None => Current::none(),
        }
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }
}
