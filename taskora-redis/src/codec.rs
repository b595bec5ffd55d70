//! The packed values in the store: records, ends, and workflows. `docs/wire-format.md` shows them.

mod end;
mod job;
pub(crate) mod new_workflow;
mod reader;
mod workflow;

pub(crate) use end::{End, Life, NEWER, message, state, state_at};
pub(crate) use job::{Packed, Record, due_text, is_envelope, pack, pack_node, plain_task, split_node};
pub(crate) use reader::{Reader, millis, u48};
pub(crate) use workflow::{FlowEnd, Head};
