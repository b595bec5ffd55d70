//! taskora, with its defaults.

mod flow;
mod operate;
mod schedules;
mod storm;

use std::any::Any;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{Call, Contender, Email, Kind, Operator, Rule, Setup, Shape, Times};
use taskora::adapter::Due;
use taskora::prelude::*;
use taskora_redis::RedisAdapter;

#[task]
async fn send_email(to: String, subject: String, body: String, n: u64) {
    let _ = (to, subject, body, n);
    harness::ran();
}

/// Its own contract, since retrying belongs to the contract.
#[task(retry(attempts = 3, backoff = fixed, delay = "1ms", jitter = false))]
async fn send_email_at_last(to: String, subject: String, body: String, n: u64) -> Result<(), std::io::Error> {
    let _ = (to, subject, body);
    if harness::ran_or_fail(n) { Err(std::io::Error::other("told to fail")) } else { Ok(()) }
}

/// A step of the workflows: it returns what the next one takes.
#[task]
async fn pass_on(to: String, subject: String, body: String, n: u64) -> u64 {
    let _ = (to, subject, body);
    harness::ran();
    n
}

/// The callback of the chords.
#[task]
async fn gather(numbers: Vec<u64>) -> usize {
    harness::ran();
    numbers.len()
}

/// Tasks that no job is for.
macro_rules! idle_tasks {
    ($($module:ident $name:tt)*) => { $(
        mod $module {
            #[taskora::task(name = $name)]
            pub async fn idle() {}
        }
    )* };
}
idle_tasks! {
    t01 "t01" t02 "t02" t03 "t03" t04 "t04" t05 "t05" t06 "t06" t07 "t07" t08 "t08" t09 "t09" t10 "t10"
    t11 "t11" t12 "t12" t13 "t13" t14 "t14" t15 "t15" t16 "t16" t17 "t17" t18 "t18" t19 "t19" t20 "t20"
    t21 "t21" t22 "t22" t23 "t23" t24 "t24" t25 "t25" t26 "t26" t27 "t27" t28 "t28" t29 "t29" t30 "t30"
    t31 "t31" t32 "t32" t33 "t33" t34 "t34" t35 "t35" t36 "t36" t37 "t37" t38 "t38" t39 "t39" t40 "t40"
    t41 "t41" t42 "t42" t43 "t43" t44 "t44" t45 "t45" t46 "t46" t47 "t47" t48 "t48" t49 "t49"
}

macro_rules! register_idle {
    ($builder:ident; $($module:ident)*) => { $builder$(.register::<$module::Idle>())* };
}

#[derive(Clone)]
struct Taskora {
    app: App,
    adapter: RedisAdapter,
    retry: bool,
    workflows: bool,
    /// The jobs are of many tasks.
    many_tasks: bool,
    /// The jobs are runs of schedules.
    schedules: bool,
    /// The jobs are items that are run in batches.
    items: bool,
    /// The jobs have so many keys; 0: none.
    keys: usize,
    caller: Option<storm::Caller>,
}

fn contract(Email { to, subject, body, n }: Email) -> SendEmail {
    SendEmail { to, subject, body, n }
}

fn retried(Email { to, subject, body, n }: Email) -> SendEmailAtLast {
    SendEmailAtLast { to, subject, body, n }
}

fn first_step(Email { to, subject, body, n }: Email) -> PassOn {
    PassOn { to, subject, body, n }
}

impl Contender for Taskora {
    async fn connect(url: &str, kind: &Kind) -> Result<Self> {
        let adapter = RedisAdapter::connect(url).await?;
        let keys = if let Kind::Memory { keys } = kind { *keys } else { 0 };
        if keys > 0 {
            flow::declare(&adapter).await?;
        }
        Ok(Self {
            app: App::new(adapter.clone()),
            retry: matches!(kind, Kind::Retry { .. }),
            workflows: matches!(kind, Kind::Workflow { .. }),
            many_tasks: matches!(kind, Kind::Due { tasks: 2.., .. }),
            schedules: matches!(kind, Kind::Ticks { .. }),
            items: matches!(kind, Kind::Batches { .. }),
            keys,
            caller: matches!(kind, Kind::Longest { .. }).then(|| storm::Caller::new(adapter.clone())),
            adapter,
        })
    }

    async fn dispatch(&mut self, email: Email) -> Result<()> {
        self.app.dispatch(contract(email)).await?;
        Ok(())
    }

    async fn dispatch_many(&mut self, emails: Vec<Email>) -> Result<()> {
        if self.items {
            self.app.dispatch_many(emails.into_iter().map(flow::item)).await?;
        } else if self.keys == 100 {
            self.app.dispatch_many(emails.into_iter().map(flow::in_lane)).await?;
        } else if self.keys > 0 {
            self.app.dispatch_many(emails.into_iter().map(flow::in_own)).await?;
        } else if self.retry {
            self.app.dispatch_many(emails.into_iter().map(retried)).await?;
        } else {
            self.app.dispatch_many(emails.into_iter().map(contract)).await?;
        }
        Ok(())
    }

    async fn dispatch_later(&mut self, emails: Vec<Email>, delay: Duration) -> Result<()> {
        if self.many_tasks {
            return storm::dispatch(&self.adapter, emails, Due::After(delay)).await;
        }
        self.app.dispatch_many(emails.into_iter().map(contract)).delay(delay).await?;
        Ok(())
    }

    async fn dispatch_by(&mut self, rule: Rule, email: Email) -> Result<()> {
        flow::dispatch(&self.app, rule, contract(email)).await
    }

    async fn dispatch_and_await(&mut self, email: Email) -> Result<()> {
        Ok(self.app.dispatch(contract(email)).await?.result().await?)
    }

    async fn dispatch_workflow(&mut self, shape: Shape, emails: Vec<Email>) -> Result<()> {
        match shape {
            Shape::Plain => {
                for email in emails {
                    self.app.dispatch(first_step(email)).await?;
                }
            }
            Shape::Brief => {
                for email in emails {
                    self.app.dispatch(first_step(email)).ttl(Duration::from_secs(3_600)).await?;
                }
            }
            Shape::Keyed => {
                for email in emails {
                    let key = email.n;
                    self.app.dispatch(first_step(email)).deduplicate(key).await?;
                }
            }
            Shape::Lanes => {
                for email in emails {
                    self.app.dispatch(flow::in_lane(email)).await?;
                }
            }
            Shape::ManyLanes => {
                for email in emails {
                    self.app.dispatch(flow::in_many(email)).await?;
                }
            }
            Shape::Chain => {
                let Ok([a, b, c]) = <[Email; 3]>::try_from(emails) else { bail!("a chain is one of 3") };
                let next = |email: Email| PassOn::s().to(email.to).subject(email.subject).body(email.body);
                self.app.dispatch(chain((first_step(a), next(b), next(c)))).await?;
            }
            Shape::Group => {
                self.app.dispatch(PassOn::map(emails.into_iter().map(first_step))).await?;
            }
            Shape::Chord => {
                let header: Vec<_> = emails.into_iter().map(first_step).collect();
                self.app.dispatch(chord(header, Gather::s())).await?;
            }
        }
        Ok(())
    }

    async fn prepare(&mut self, call: Call, emails: Vec<Email>) -> Result<()> {
        self.caller.as_mut().context("no calls are made here")?.prepare(call, emails).await
    }

    async fn call(&mut self, call: Call) -> Result<bool> {
        self.caller.as_mut().context("no calls are made here")?.call(call).await
    }

    async fn operate(&mut self, operator: Operator) -> Result<Box<dyn Any + Send>> {
        operate::run(&self.app, operator).await
    }

    async fn schedule(&mut self, count: usize, times: Times) -> Result<()> {
        schedules::store(&self.app, count, times).await
    }

    async fn start_worker(&mut self, setup: Setup) -> Result<Box<dyn Any + Send>> {
        let builder = Worker::builder(&self.app).concurrency(setup.concurrency).prefetch(setup.prefetch);
        let builder =
            if self.retry { builder.register::<SendEmailAtLast>() } else { builder.register::<SendEmail>() };
        let builder = if self.schedules { builder.register::<schedules::Ticking>() } else { builder };
        let builder = if self.workflows {
            builder.register_all(tasks![PassOn, Gather, flow::InLanes, flow::InManyLanes])
        } else {
            builder
        };
        let builder = if self.items { builder.register::<flow::ItemsHandler>() } else { builder };
        if setup.gates {
            flow::set_gates(&self.adapter).await?;
        }
        let builder = if self.many_tasks {
            storm::register(builder)
        } else if setup.tasks > 1 {
            register_idle!(builder; t01 t02 t03 t04 t05 t06 t07 t08 t09 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19 t20 t21
                t22 t23 t24 t25 t26 t27 t28 t29 t30 t31 t32 t33 t34 t35 t36 t37 t38 t39 t40 t41 t42 t43 t44 t45 t46 t47
                t48 t49)
        } else {
            builder
        };
        Ok(Box::new(builder.start().await?))
    }
}

fn main() -> Result<()> {
    harness::main::<Taskora>()
}
