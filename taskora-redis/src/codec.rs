//! The packed values in the store: records, ends, and workflows. `docs/wire-format.md` shows them.

mod end;
mod event;
mod job;
mod layout;
pub(crate) mod new_workflow;
mod past;
mod reader;
mod schedule;
mod sums;
mod workflow;

pub(crate) use end::{End, Life, NEWER, cancelled, message, state, state_at};
pub(crate) use event::Entry;
pub(crate) use job::{Packed, Record, due_text, is_envelope, pack, pack_node, plain_task, split_node};
pub(crate) use layout::check_schedule_name;
pub(crate) use past::read_past;
pub(crate) use reader::{Reader, millis, u48};
pub(crate) use schedule::{SHOWN, pack_schedule, pack_version, read_schedule};
pub(crate) use sums::{Fingerprint, Texts, pack_sums, read_block, read_text};
pub(crate) use workflow::{FlowEnd, Head, read_open};
