//! The damage: for each key, entries that name no job, values that cannot be read, and keys of another type.

use super::world::{MADE, OTHER};
use crate::kit::TASK;

/// Something done to a healthy store.
#[derive(Clone)]
pub(crate) struct Damage {
    pub(crate) what: String,
    pub(crate) commands: Vec<Vec<Vec<u8>>>,
    /// Jobs and workflows that it was done to; all others must go on.
    pub(crate) victims: Vec<&'static str>,
    /// Whether what is damaged leads to other jobs, so that these run after a repair only.
    pub(crate) is_index: bool,
    /// Whether a job is kept for ever.
    pub(crate) is_kept: bool,
}

pub(crate) fn long() -> Vec<u8> {
    (0..300_u32).map(|number| number as u8).collect()
}

/// In a name, `^` stands for the byte 255, which marks a lane of items.
fn key(name: &str) -> Vec<u8> {
    marked(&format!("{{taskora}}:{name}"))
}

fn marked(name: &str) -> Vec<u8> {
    name.bytes().map(|byte| if byte == b'^' { 0xff } else { byte }).collect()
}

/// Ids and members that name no job.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "",
        "x",
        "=",
        "=gone",
        "=gone:",
        "=gone:x",
        "=gone:99999999999999999999999",
        "nonsense",
        "*",
        "*#",
        "*#1",
        "*=gone#",
        "*=gone#1",
        "*=gone#1:1",
        "*=first#99",
        "*=first#99:1",
        "*=first#99999999999999999999",
        "!",
        "!=",
    ]
    .map(|name| name.as_bytes().to_vec())
    .to_vec();
    names.push(long());
    names.push(vec![0; 16]);
    names.push(vec![0xff; 3]);
    names
}

const SCORES: [&str; 8] = ["0", "-1e300", "1e300", "-inf", "+inf", "1", "1500000000000", "-4398046511104"];

/// Each command on its own, or all at once.
fn spread(what: &str, commands: Vec<Vec<Vec<u8>>>, alone: bool) -> Vec<Damage> {
    let one = |commands: Vec<Vec<Vec<u8>>>| {
        let shown = if alone {
            commands[0].iter().map(|word| word.escape_ascii().to_string() + " ").collect()
        } else {
            what.to_owned()
        };
        Damage { what: shown, commands, victims: Vec::new(), is_index: false, is_kept: false }
    };
    if alone { commands.into_iter().map(|command| one(vec![command])).collect() } else { vec![one(commands)] }
}

const SETS: [&str; 23] = [
    "active:",
    "prio:",
    "delayed:",
    "ttls:",
    "behind:",
    "turns:",
    "parked:",
    "opening:",
    "lane:send-email\0n",
    "lane:send-email\0gone",
    "lane:send-email\0^i",
    "came:send-email\0^j",
    "came:send-email\0gone",
    "failed:",
    "cancelled:",
    "expired:",
    "ownfailed:",
    "owncancelled:",
    "ownexpired:",
    "ready",
    "due",
    "opens",
    "schednext",
];
const FLOWS: [&str; 4] = ["wfdue", "wfdone", "wfgone", "wfrun"];
const LISTS: [&str; 6] = ["wait:", "completed:", "owncompleted:", "wake:", "rate:", "deferred"];
const HASHES: [&str; 21] = [
    "jobs",
    "blobs",
    "life",
    "past",
    "cancel",
    "done",
    "progress",
    "waiters",
    "uniq",
    "keyed",
    "timer",
    "procs",
    "registry",
    "workers",
    "history:",
    "patterns:",
    "sched",
    "schedrun",
    "held",
    "laned:",
    "rules:",
];

/// The key of the damaged task, or the only one.
fn place(name: &str) -> Vec<u8> {
    match name.strip_suffix(':') {
        Some(_) => key(&format!("{name}{TASK}")),
        None => key(name),
    }
}

/// Entries that name nothing, in every key that has entries.
pub(crate) fn entries(alone: bool) -> Vec<Damage> {
    let mut all = Vec::new();
    for name in SETS.into_iter().chain(FLOWS) {
        let scores = SCORES.iter().cycle();
        let add = |(member, score): (Vec<u8>, &&str)| {
            vec![b"ZADD".to_vec(), place(name), score.as_bytes().to_vec(), member]
        };
        let mut damages = spread(name, names().into_iter().zip(scores).map(add).collect(), alone);
        // some of them seem to hold the key
        damages.iter_mut().for_each(|damage| damage.is_index = name.starts_with("lane:"));
        all.extend(damages);
    }
    for name in LISTS {
        let numbers: [&[u8]; 4] = [&[2, 0, 0, 0, 0, 0], &[0; 6], &[0xff; 6], &[2, 0, 0, 15, 0, 0]];
        let mut entries: Vec<Vec<u8>> =
            names().iter().zip(numbers.iter().cycle()).map(|(id, number)| [*number, id].concat()).collect();
        entries.extend(names());
        entries.extend(
            [
                "Xn:0 =gone",
                "Gp:0 send-email",
                "Gp:99999999999999999999 send-email",
                "Gx:0 gone",
                "Gp: send-email",
                "Rr:0 =gone",
                "R99:0 =first",
                "J99:0 =first",
                "J0:99999999 =first",
                "Xn:0 =first",
                "Jx:x =first",
            ]
            .map(|entry| entry.as_bytes().to_vec()),
        );
        let put = |(at, entry): (usize, Vec<u8>)| {
            vec![if at % 2 == 0 { b"LPUSH".to_vec() } else { b"RPUSH".to_vec() }, place(name), entry]
        };
        all.extend(spread(name, entries.into_iter().enumerate().map(put).collect(), alone));
    }
    for name in ["tasks", "tombstones:", "closed", "noted:=gone"] {
        let key = if name == "noted:=gone" { key(name) } else { place(name) };
        let add = |member: Vec<u8>| vec![b"SADD".to_vec(), key.clone(), member];
        all.extend(spread(name, names().into_iter().map(add).collect(), alone));
    }
    for name in HASHES {
        let values = [b"".to_vec(), b"x".to_vec(), vec![0; 16], long(), vec![0xff; 40]];
        let set =
            |(field, value): (Vec<u8>, &Vec<u8>)| vec![b"HSET".to_vec(), place(name), field, value.clone()];
        let commands = names().into_iter().zip(values.iter().cycle()).map(set).collect();
        let mut damages = spread(name, commands, alone);
        if name == "jobs" {
            // what may be a record is left to be looked at
            damages.iter_mut().for_each(|damage| damage.victims = vec!["nobody"]);
        }
        // a later version may have written one of them
        damages.iter_mut().for_each(|damage| damage.is_kept = name == "sched");
        all.extend(damages);
    }
    let closed = [TASK, OTHER].map(|task| vec![b"SADD".to_vec(), key("closed"), task.into()]);
    all.extend(spread("closed without a gate", closed.to_vec(), alone));
    let settings =
        names().into_iter().map(|name| vec![b"HSET".to_vec(), place("gate:"), name, b"x".to_vec()]);
    all.extend(spread("gate", settings.collect(), alone));
    // counted by a rate that all jobs pass, and that has no closed gate
    let counted = names()
        .into_iter()
        .chain([vec![0xff; 6], vec![0; 8]])
        .map(|entry| vec![b"RPUSH".to_vec(), place("rate:"), entry]);
    let set = |rate: &str| vec![b"HSET".to_vec(), place("gate:"), b"ro".to_vec(), rate.into()];
    for rate in ["999 1000", "999 1000 999"] {
        let commands: Vec<_> = [set(rate)].into_iter().chain(counted.clone()).collect();
        all.extend(spread(&format!("starts of a rate {rate}"), commands, false));
    }
    let extra = [
        ("zzz", "x"),
        ("n99", "x"),
        ("d99", "x"),
        ("j99", "x"),
        ("c99", "x"),
        ("g99", "x"),
        ("b99", "x"),
        ("", "x"),
        ("n", "x"),
    ];
    let extra =
        extra.map(|(field, value)| vec![b"HSET".to_vec(), key("wf:=first"), field.into(), value.into()]);
    all.extend(spread("wf", extra.to_vec(), alone));
    all
}

/// Scores of real jobs, tasks and workflows that are no times and no numbers of a line.
pub(crate) fn scores() -> Vec<Damage> {
    let mut all = Vec::new();
    for (name, member) in [
        ("active:", "=active:"),
        ("prio:", "=urgent"),
        ("delayed:", "=delayed"),
        ("ttls:", "=waiting"),
        ("ready", TASK),
        ("due", TASK),
        ("wfdue", "=chord"),
        ("wfdone", "=stopped"),
        ("wfrun", "=first"),
        ("ownfailed:", "=failed"),
        ("owncancelled:", "=cancelled"),
        ("schednext", "s1"),
        ("schednext", "s2"),
        ("due", "@"),
        ("opens", TASK),
        ("lane:send-email\0o", "=n3"),
        ("lane:send-email\0n", "=n1"),
        ("turns:", "o"),
        ("parked:", "n"),
        ("opening:", "n"),
        ("opening:", "o"),
        ("lane:send-email\0^j", "=i4"),
        ("lane:send-email\0^i", "=i1"),
        ("came:send-email\0^j", "=i4"),
        ("opening:", "^j"),
        ("parked:", "^j"),
    ] {
        let victims = match name {
            "delayed:" => vec!["delayed"],
            // one whose deadline seems to be past expires
            "ttls:" => vec!["waiting"],
            _ => Vec::new(),
        };
        for score in ["-1e300", "1e300", "-inf", "+inf", "-1"] {
            all.push(Damage {
                what: format!("{name} {member} {score}"),
                commands: vec![vec![b"ZADD".to_vec(), place(name), score.into(), marked(member)]],
                victims: victims.clone(),
                // no job is due before its task is, no item goes before its lane does, and no schedule ticks before it is looked at
                // nor does a job that waits like one that holds its key
                is_index: name == "due"
                    || (name, member) == ("opening:", "^j")
                    || name == "schednext"
                    || name.starts_with("lane:"),
                // its end lies in the future
                is_kept: name == "ownfailed:"
                    || name == "owncancelled:"
                    || name == "wfdone"
                    || name == "delayed:",
            });
        }
    }
    all
}

/// Values of real jobs and workflows, and of what there is one of.
pub(crate) fn values() -> Vec<Damage> {
    let junk = || {
        vec![
            b"".to_vec(),
            b"x".to_vec(),
            vec![1],
            vec![1, 0, 0],
            vec![0; 17],
            vec![0xff; 17],
            vec![0xff; 60],
            long(),
            [b"C".to_vec(), vec![0; 10]].concat(),
            [vec![1; 13], vec![0xff]].concat(),
        ]
    };
    let mut all = Vec::new();
    let mut add = |name: &str, field: &str, value: Vec<u8>, victims: Vec<&'static str>| {
        let shown = value.escape_ascii().to_string();
        let is_newer = value.first().is_some_and(|layout| *layout > 1);
        // what a later version may have written is left alone
        let is_node = field.starts_with('n') && value.len() > 20;
        let commands = vec![vec![b"HSET".to_vec(), key(name), marked(field), value]];
        let is_kept = (name == "jobs" || name.starts_with("sched") || field == "m" || is_node) && is_newer;
        all.push(Damage {
            what: format!("{name} {field} {shown}"),
            commands,
            victims,
            // without it nobody lets in who waits for another job
            is_index: name == "keyed" || name == "held",
            is_kept,
        });
    };
    for value in junk() {
        for id in ["waiting", "active", "urgent", "delayed", "done", "failed", "large"] {
            add("jobs", &format!("={id}"), value.clone(), vec![id]);
        }
        for id in ["retrying", "released"] {
            add("life", &format!("={id}"), value.clone(), vec![id]);
            add("past", &format!("={id}"), value.clone(), vec![]);
        }
        for id in ["done", "failed", "cancelled", "waiting", "active"] {
            add("done", &format!("={id}"), value.clone(), vec![id]);
        }
        for id in ["k1", "k2", "k3", "k5", "k6", "waiting", "done"] {
            add("keyed", &format!("={id}"), value.clone(), vec![]);
        }
        for field in ["usend-email\0a", "usend-email\0c", "dsend-email\0a", "x"] {
            add("uniq", field, value.clone(), vec![]);
        }
        add("cancel", "=active", value.clone(), vec!["active"]);
        add("blobs", "=large", value.clone(), vec!["large"]);
        add("progress", "=active", value.clone(), vec!["active"]);
        for field in ["d", "o", "rd", "ro", "k", "kn", "qn", "l", "g", "x", "xn"] {
            add("gate:send-email", field, value.clone(), vec![]);
        }
        add("held", "=n1", value.clone(), vec![]);
        add("held", "=i1", value.clone(), vec![]);
        add("laned:send-email", "=i4", value.clone(), vec![]);
        add("rules:send-email", "^j", value.clone(), vec![]);
        add("rules:send-email", "!^j", value.clone(), vec![]);
        add("laned:send-email", "=n2", value.clone(), vec![]);
        if value.len() < 6 {
            add("gate:send-email", "p", value.clone(), vec![]);
            add("gate:send-email", "pn", value.clone(), vec![]);
        }
        for id in ["=waiting", "*=first#"] {
            add("waiters", id, value.clone(), vec![]);
        }
        for name in ["s1", "s2", "s3"] {
            add("sched", name, value.clone(), vec![name]);
            add("schedrun", name, value.clone(), vec![name]);
        }
        for task in [TASK, OTHER, "@"] {
            add("timer", task, value.clone(), vec![]);
        }
        for field in
            ["level", "raised_by", "epoch", "epochs", "incarnation", "server", "created", "partitions"]
        {
            add("meta", field, value.clone(), vec![]);
        }
        for field in ["l", "m", "o", "t", "c0", "j0", "jr", "n0", "n1", "d0", "d1", "b0", "g0"] {
            for flow in ["first", "chord", "stopped"] {
                add(&format!("wf:={flow}"), field, value.clone(), vec![flow]);
            }
        }
    }
    for value in [
        "-1",
        "0",
        "99999999999999999999",
        "3 ",
        "3 Z",
        "-5 x",
        "-0 0",
        "-99 0",
        "-0 99",
        "1e300",
        "nan",
        "inf",
        " = =",
        "a=99999999999999999999 b=1",
    ] {
        for field in ["l", "j0", "t"] {
            for flow in ["first", "chord", "stopped"] {
                add(&format!("wf:={flow}"), field, value.into(), vec![flow]);
            }
        }
        add("meta", "level", value.into(), vec![]);
        for field in ["d", "o", "rd", "ro", "k", "kn"] {
            add("gate:send-email", field, value.into(), vec![]);
        }
        for field in ["epoch", "epochs"] {
            add("meta", field, value.into(), vec![]);
        }
        add("timer", TASK, format!("{value} w").into(), vec![]);
        add("waiters", "=waiting", value.into(), vec![]);
    }
    // a head and joins that promise more than there is
    let head = [&[1][..], &[0; 18], &[0xff; 8], &[0; 24]].concat();
    let join =
        [&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff][..], &[0; 4], &[0xff; 4], &[0; 8], &[10], TASK.as_bytes()]
            .concat();
    for flow in ["first", "chord", "stopped"] {
        add(&format!("wf:={flow}"), "m", head.clone(), vec![flow]);
        for field in ["c0", "c1", "cr"] {
            add(&format!("wf:={flow}"), field, join.clone(), vec![flow]);
        }
    }
    for name in ["seq", "front", "wftimer", "damaged", "call:w:0"] {
        for value in [
            "",
            "x",
            "-5",
            "1e300",
            "99999999999999999999",
            "9223372036854775807",
            "4503599627370496",
            "5 w",
            "2:x",
            "9:x",
        ] {
            all.push(Damage {
                what: format!("{name} {value:?}"),
                commands: vec![vec![b"SET".to_vec(), key(name), value.into()]],
                victims: Vec::new(),
                is_index: false,
                is_kept: false,
            });
        }
    }
    all
}

/// Keys of another type.
pub(crate) fn types() -> Vec<Damage> {
    let mut all = Vec::new();
    let strings = ["seq", "front", "wftimer", "damaged", "call:w:0"];
    let others = SETS.iter().chain(&FLOWS).chain(&LISTS).chain(&HASHES).chain(&[
        "meta",
        "tasks",
        "tombstones:",
        "gate:",
        "closed",
        "noted:=first",
        "log:=active",
        "throttle:resize\0o",
        "wf:=first",
        "wf:=gone",
    ]);
    for name in others.copied().chain(strings) {
        let key =
            if ["call:w:0", "throttle:resize\0o", "noted:=first", "log:=active", "wf:=first", "wf:=gone"]
                .contains(&name)
            {
                key(name)
            } else {
                place(name)
            };
        let set = if strings.contains(&name) {
            vec![b"RPUSH".to_vec(), key.clone(), b"x".to_vec()]
        } else {
            vec![b"SET".to_vec(), key.clone(), b"x".to_vec()]
        };
        let victims = match name {
            "jobs" => vec![
                "retrying", "active", "released", "waiting", MADE[2], "delayed", "urgent", "large", "o1",
                "o2", "o3", "o4", "k1", "k2", "k3", "k4", "k5", "k6", "n1", "n2", "n3", "i1", "i2", "i3",
                "i4",
            ],
            "blobs" => vec!["large"],
            "wf:=first" => vec!["first"],
            "sched" => vec!["s1", "s3"],
            // that it was paused is lost
            "schedrun" => vec!["s3"],
            _ => Vec::new(),
        };
        all.push(Damage {
            what: format!("{name} of another type"),
            commands: vec![vec![b"DEL".to_vec(), key], set],
            victims,
            is_index: true,
            is_kept: false,
        });
    }
    all
}
