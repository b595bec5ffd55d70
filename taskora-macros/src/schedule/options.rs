//! The options of `schedule(..)`, one line each.

use syn::LitStr;
use syn::parse::ParseStream;

use super::values::{At, Expression, Name, OnMissed, Overlap, Period, RunOnStart, With, Zone};
use crate::errors::Errors;
use crate::list::{Given, List};
use crate::place::{Known, Side};
use crate::values::{Value, Word};

options! {
    /// What stands in one `schedule(..)`.
    struct Schedule {
        cron: At<Expression>, Both, "cron = \"0 3 * * *\"";
        every: At<Period>, Both, "every = \"5m\"";
        manual: Word, Both, "manual";
        tz: At<Zone>, Both, "tz = \"Europe/Berlin\"";
        offset: At<std::time::Duration>, Both, "offset = \"30s\"";
        name: Name, Both, "name = \"nightly\"";
        with: With, Both, "with(days = 30)";
        overlap: Overlap, Both, "overlap = allow";
        on_missed: At<OnMissed>, Both, "on_missed = catch_up(3)";
        max_late: At<std::time::Duration>, Both, "max_late = \"2h\"";
        jitter: At<std::time::Duration>, Both, "jitter = \"30s\"";
        run_on_start: RunOnStart, Both, "run_on_start";
        enabled_by: LitStr, Both, "enabled_by = \"HEARTBEAT_ENABLED\"";
    }
}
