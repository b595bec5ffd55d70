//! `schedule(..)`: what must fit. Which options fit together, and the texts, are taskora-cron's.

mod options;
mod values;

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens as _;
use syn::LitStr;
use syn::parse::ParseStream;
use taskora_cron::{ScheduleOptions, check_name};

use self::options::Schedule;
pub(crate) use self::values::{At, Expression, Name, OnMissed, Overlap, Period, RunOnStart, Zone};
use crate::errors::Errors;
use crate::field::Field;
use crate::list::{self, Given, List as _};
use crate::names;
use crate::place::Known;
use crate::serde_default::{Container, of_field};
use crate::values::Value;

/// All the `schedule(..)` of an item, in the order of the source.
#[derive(Clone, Default)]
pub(crate) struct Schedules(Vec<Written>);

/// One `schedule(..)`, as far as it can be read alone.
#[derive(Clone)]
struct Written {
    options: Schedule,
    at: Span,
}

/// A schedule, ready to be expanded.
pub(crate) struct Ready {
    pub(crate) options: Schedule,
    /// Each field of the contract; `None` for one without a value, which was reported.
    pub(crate) fields: Vec<(Ident, Option<TokenStream>)>,
    /// What gives the other fields their values.
    pub(crate) rest: Option<TokenStream>,
}

impl Value for Schedules {
    const INNER: &'static [Known] = Schedule::KNOWN;
    const REPEATS: bool = true;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let written = list::split(list::contents(given, &input.fork())?).len();
        let schedule = Written { options: list::inner(given, input, errors)?, at: given.span };
        let is_known = schedule.options.given().len() == written;
        schedule.check_options(is_known, errors);
        Ok(Self(vec![schedule]))
    }

    fn add_to(self, slot: &mut Option<Self>) {
        slot.get_or_insert_default().0.extend(self.0);
    }
}

impl Written {
    /// Whether the options fit together. One whose value cannot be read counts as given, with a value that fits. `is_known`: there are no
    /// others, which may be what is missing.
    fn check_options(&self, is_known: bool, errors: &mut Errors) {
        const FITS: Duration = Duration::from_secs(1);
        let Self { options, at } = self;
        let is_given = |name| options.span_of(name).is_some();
        let duration = |name, value: &Option<At<Duration>>, fits| {
            value.as_ref().map(|at| at.value).or_else(|| is_given(name).then_some(fits))
        };
        let (offset, jitter) = (&options.offset, &options.jitter);
        let said = ScheduleOptions {
            cron: is_given("cron"),
            every: match &options.every {
                Some(At { value: Period(period), .. }) => Some(*period),
                None => is_given("every").then_some(Duration::MAX),
            },
            manual: is_given("manual"),
            offset: duration("offset", offset, Duration::ZERO),
            tz: is_given("tz"),
            catch_up: match &options.on_missed {
                Some(At { value: OnMissed::Skip, .. }) => None,
                Some(At { value: OnMissed::CatchUp, .. }) => Some(u32::MAX),
                Some(At { value: OnMissed::Newest(newest), .. }) => Some(*newest),
                None => is_given("on_missed").then_some(u32::MAX),
            },
            max_late: duration("max_late", &options.max_late, FITS),
            jitter: duration("jitter", jitter, Duration::ZERO),
        };
        for misfit in said.misfits() {
            let value = match misfit.option() {
                "cron" => options.cron.as_ref().map(|at| &at.tokens),
                "every" => options.every.as_ref().map(|at| &at.tokens),
                "offset" => offset.as_ref().map(|at| &at.tokens),
                "tz" => options.tz.as_ref().map(|at| &at.tokens),
                "on_missed" => options.on_missed.as_ref().map(|at| &at.tokens),
                "max_late" => options.max_late.as_ref().map(|at| &at.tokens),
                "jitter" => jitter.as_ref().map(|at| &at.tokens),
                "schedule" if !is_known => continue,
                _ => None,
            };
            match value {
                Some(value) => errors.on(value, misfit),
                None => errors.at(options.span_of(misfit.option()).unwrap_or(*at), misfit),
            }
        }
    }

    /// Gives each field of the contract its value.
    fn payload(
        self,
        fields: &[Field],
        task: &str,
        container: Option<&Container>,
        errors: &mut Errors,
    ) -> Ready {
        let Self { options, at } = self;
        let given = options.with.as_ref().map_or(&[][..], |with| &with.values);
        let known: Vec<String> = fields.iter().map(|field| names::unraw(&field.name)).collect();
        let mut misspelt = Vec::new();
        for (index, (name, _)) in given.iter().enumerate() {
            let typed = names::unraw(name);
            if given.iter().take(index).any(|(other, _)| names::unraw(other) == typed) {
                errors.on(name, format!("`{typed}` is given twice; keep one of them"));
            } else if !known.contains(&typed) {
                let meant = names::nearest(&typed, known.iter().map(String::as_str));
                errors.on(name, format!("`{task}` has no argument `{typed}`; {}", instead(meant, &known)));
                misspelt.extend(meant);
            }
        }
        let mut missing = Vec::new();
        let values = fields.iter().filter_map(|field| {
            let name = names::unraw(&field.name);
            let value = match given.iter().find(|(given, _)| names::unraw(given) == name) {
                Some((_, value)) => Some(value.to_token_stream()),
                None => match of_field(field) {
                    None if container.is_some() => return None,
                    None => {
                        // what is misspelt is reported once
                        if !misspelt.contains(&name.as_str()) {
                            missing.push(format!("`{name}`"));
                        }
                        None
                    }
                    value => value,
                },
            };
            Some((field.name.clone(), value))
        });
        let values: Vec<_> = values.collect();
        // what cannot be read may be the value that is missing
        let is_whole = match &options.with {
            Some(with) => with.is_whole,
            None => options.span_of("with").is_none(),
        };
        if !missing.is_empty() && is_whole {
            let lacks = missing.join(", ");
            match options.span_of("with") {
                Some(with) => errors.at(with, format!("`with` lacks {lacks}")),
                None => {
                    let example = missing.iter().map(|name| format!("{} = ..", name.trim_matches('`')));
                    let example = example.collect::<Vec<_>>().join(", ");
                    errors.at(at, format!("this schedule has no value for {lacks}; add `with({example})`"));
                }
            }
        }
        let rest = container.filter(|_| values.len() < fields.len()).map(|Container(value)| value.clone());
        Ready { options, fields: values, rest }
    }
}

/// Lets each schedule of an item give its contract a value. `name`: of the task, if it can be seen here.
pub(crate) fn resolve(
    schedules: Option<Schedules>,
    (task, name): (String, Option<&str>),
    fields: &[Field],
    container: Option<&Container>,
    errors: &mut Errors,
) -> Vec<Ready> {
    let Schedules(schedules) = schedules.unwrap_or_default();
    let mut taken: Vec<Option<String>> = Vec::new();
    for Written { options, at } in &schedules {
        let own = options.name.as_ref().map(|Name(name)| name);
        if options.span_of("name").is_some() && own.is_none() {
            continue;
        }
        let called = own.map(LitStr::value).or_else(|| name.map(ToOwned::to_owned));
        if taken.contains(&called) {
            let add = "add `name = \"..\"` to one of them";
            match (own, &called) {
                (Some(own), _) => errors.on(own, format!("two schedules are named `{}`", own.value())),
                (None, Some(task)) => {
                    errors.at(*at, format!("two schedules are named `{task}`, after the task; {add}"));
                }
                (None, None) => errors.at(*at, format!("two schedules are named after the task; {add}")),
            }
        } else if let (None, Some(Err(misfit))) = (own, name.map(check_name)) {
            errors.at(*at, format!("{misfit}; it is named after the task, so add `name = \"..\"`"));
        }
        taken.push(called);
    }
    schedules.into_iter().map(|schedule| schedule.payload(fields, &task, container, errors)).collect()
}

/// What to write instead of an argument that does not exist.
fn instead(meant: Option<&str>, known: &[String]) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "it takes none".to_owned(),
        None => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("it takes {}", known.join(", "))
        }
    }
}
