//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::prelude::*;

const HELP: &str = "\
Measures taskora beside its peers, on a redis-server of its own.

usage: scripts/bench [options]

  --quick             fewer rounds, shorter ones, fewer workloads: at most three minutes
  --only a,b          only these workloads
  --peers a,b         only these contenders beside taskora; `--peers none` for taskora alone
  --json FILE         also write everything that was measured
  --readme            also write the tables into README.md and docs/performance.md, between their markers
  --against DIR       this checkout of taskora beside the one in DIR, and no peers
  --compile           measure the compile time of contracts instead
";

pub struct Args {
    pub quick: bool,
    pub only: Option<Vec<String>>,
    pub peers: Option<Vec<String>>,
    pub json: Option<PathBuf>,
    pub readme: bool,
    pub compile: bool,
    pub against: Option<PathBuf>,
}

impl Args {
    /// `None` if all that was wanted is help, which is printed.
    pub fn parse() -> Result<Option<Self>> {
        let mut args = Self {
            quick: false,
            only: None,
            peers: None,
            json: None,
            readme: false,
            compile: false,
            against: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("quick") => args.quick = true,
                Long("only") => args.only = Some(list(&parser.value()?.string()?)),
                Long("peers") => args.peers = Some(list(&parser.value()?.string()?)),
                Long("json") => args.json = Some(parser.value()?.into()),
                Long("readme") => args.readme = true,
                Long("against") => args.against = Some(parser.value()?.into()),
                Long("compile") => args.compile = true,
                Long("help") | Short('h') => {
                    print!("{HELP}");
                    return Ok(None);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if args.readme && (args.only.is_some() || args.peers.is_some()) {
            bail!("`--readme` writes the table of a whole run; leave out `--only` and `--peers`");
        }
        if args.against.is_some() && (args.readme || args.compile || args.peers.is_some()) {
            bail!("`--against` compares two checkouts; leave out `--readme`, `--compile` and `--peers`");
        }
        Ok(Some(args))
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}
