// BullMQ on Node: takes the order that the Rust contenders take (see ../harness), and prints the same sample.
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';

const FIRST = 10_000_000;
const LATER_MS = 1000;
// How often the handler of a job that fails twice runs.
const RUNS = 3;
const order = JSON.parse(process.argv[2]);
const connection = { host: '127.0.0.1', port: Number(new URL(order.url).port), maxRetriesPerRequest: null };
// How much longer than its limit a measurement may take.
const PATIENCE_MS = 60_000;
const kept = [];
let count = 0;
let onRun = () => {};

// The bench ends with whoever started it, and a library that hangs does not stop the bench.
process.stdin.on('end', () => process.exit(1)).resume();
setTimeout(() => {
  console.error('it did not end within its patience');
  process.exit(1);
}, PATIENCE_MS + order.limit * 1000);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function email(n) {
  const bare = { to: 'ada@example.com', subject: 'Your receipt', body: '', n: FIRST + n };
  bare.body = 'x'.repeat(Math.max(0, order.bytes - JSON.stringify(bare).length));
  return bare;
}

// A plain connection for what the bench itself asks, so that no client library's work is measured with it.
const meter = net.connect(connection.port, connection.host);
let received = '';
let waiting = null;
meter.on('data', (data) => {
  received += data;
  const header = /^\$(\d+)\r\n/.exec(received);
  if (waiting && header && received.length >= header[0].length + Number(header[1]) + 2) {
    const answer = received.slice(header[0].length, header[0].length + Number(header[1]));
    received = '';
    waiting(answer);
  }
});
async function info(section, field) {
  const answer = await new Promise((resolve) => {
    waiting = resolve;
    meter.write(`INFO ${section}\r\n`);
  });
  return Number(new RegExp(`^${field}:(.*)$`, 'm').exec(answer)[1]);
}

async function reading() {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  const redis = (await info('cpu', 'used_cpu_user')) + (await info('cpu', 'used_cpu_sys'));
  return { at: performance.now(), count, client: userCPUTime + systemCPUTime, redis: redis * 1e6 };
}

function rate(jobs, ms, start, end) {
  return {
    value: (jobs / ms) * 1000,
    redis_us: (end.redis - start.redis) / Math.max(1, jobs),
    client_us: (end.client - start.client) / Math.max(1, jobs),
  };
}

function queue() {
  const defaultJobOptions = order.kind === 'retry' ? { attempts: 3 } : {};
  const opened = new Queue('emails-0', { connection, defaultJobOptions });
  kept.push(opened);
  return opened;
}

async function startWorker(concurrency, tasks = 1) {
  const failures = new Map();
  const handle = async (job) => {
    // the parent that makes jobs a group is no step; another one takes the outputs of those that it waited for
    if (job.name === 'group') return null;
    if (job.name === 'after') await job.getChildrenValues();
    count += 1;
    onRun(performance.now());
    if (order.kind === 'retry') {
      const failed = failures.get(job.data.n) ?? 0;
      if (failed < RUNS - 1) {
        failures.set(job.data.n, failed + 1);
        throw new Error('told to fail');
      }
    }
    return job.data.n;
  };
  for (let task = 0; task < tasks; task += 1) {
    const worker = new Worker(`emails-${task}`, handle, { connection, concurrency });
    worker.on('error', (error) => console.error(error));
    kept.push(worker);
    await worker.waitUntilReady();
  }
}

async function fill(jobs, delay) {
  const target = queue();
  let next = 0;
  const opts = delay ? { delay } : {};
  const caller = async () => {
    while (next < jobs) {
      const first = next;
      next = Math.min(jobs, next + 500);
      const batch = [];
      for (let n = first; n < Math.min(jobs, first + 500); n += 1) batch.push({ name: 'send', data: email(n), opts });
      await target.addBulk(batch);
    }
  };
  await Promise.all([caller(), caller()]);
}

async function calls(callers, batch, call) {
  const deadline = performance.now() + order.limit * 1000;
  const round = async (jobs) => {
    const each = Math.ceil(jobs / (callers * batch));
    const caller = async (start) => {
      let done = 0;
      for (let n = 0; n < each; n += 1) {
        const first = (start * each + n) * batch;
        await call(Array.from({ length: batch }, (_, i) => email(first + i)));
        done += batch;
        if (performance.now() > deadline) break;
      }
      return done;
    };
    const done = await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
    return done.reduce((a, b) => a + b, 0);
  };
  const jobs = Math.max(20, order.jobs);
  await round(Math.max(1, Math.floor(jobs / 10)));
  const start = await reading();
  const done = await round(jobs);
  const elapsed = performance.now() - start.at;
  return rate(done, elapsed, start, await reading());
}

async function drain(jobs, begin) {
  const warm = Math.max(1, Math.floor(jobs / 10));
  const marks = { [warm]: resolvers(), [jobs]: resolvers() };
  onRun = (at) => marks[count]?.resolve(at);
  const limit = sleep(order.limit * 1000).then(() => null);
  await begin();
  const begun = await reading();
  const first = await Promise.race([marks[warm].promise, limit]);
  const start = first === null ? begun : await reading();
  const last = await Promise.race([marks[jobs].promise, limit]);
  const end = await reading();
  const sample = rate(end.count - start.count, end.at - start.at, start, end);
  if (first !== null && last !== null) sample.value = ((jobs - warm) / (last - first)) * 1000;
  if (last === null) sample.more = { 'left at the limit': jobs - end.count };
  return sample;
}

function resolvers() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

const kinds = {
  async dispatch({ callers, batch }) {
    const target = queue();
    await target.waitUntilReady();
    return calls(callers, batch, (emails) =>
      batch === 1
        ? target.add('send', emails[0])
        : target.addBulk(emails.map((data) => ({ name: 'send', data }))),
    );
  },
  async process({ concurrency, tasks, waiting: behind }) {
    await fill(Math.max(20, order.jobs) + behind);
    return drain(Math.max(20, order.jobs), () => startWorker(concurrency, tasks));
  },
  async retry({ concurrency }) {
    // runs are counted and jobs are told, as no job may succeed before all have failed twice
    const jobs = Math.max(20, order.jobs);
    await fill(jobs);
    const sample = await drain(jobs * RUNS, () => startWorker(concurrency));
    return {
      ...sample,
      value: sample.value / RUNS,
      redis_us: sample.redis_us * RUNS,
      client_us: sample.client_us * RUNS,
    };
  },
  async due({ concurrency }) {
    await fill(order.jobs, LATER_MS);
    await sleep(LATER_MS);
    return drain(order.jobs, () => startWorker(concurrency));
  },
  async results({ callers, concurrency }) {
    await startWorker(concurrency);
    const events = new QueueEvents('emails-0', { connection });
    events.setMaxListeners(0);
    kept.push(events);
    await events.waitUntilReady();
    const target = queue();
    return calls(callers, 1, async ([data]) => {
      const job = await target.add('send', data);
      await job.waitUntilFinished(events);
    });
  },
  async workflow({ shape, size, callers, concurrency }) {
    const flows = new FlowProducer({ connection });
    kept.push(flows);
    await flows.waitUntilReady();
    const step = (name, n, children) => ({ name, queueName: 'emails-0', data: email(n), children });
    const tree = (first, size) => {
      const sends = Array.from({ length: size }, (_, i) => step('send', first + i));
      if (shape === 'group') return { name: 'group', queueName: 'emails-0', children: sends };
      if (shape === 'chord') return step('after', 0, sends);
      // what comes first is the innermost child
      return sends.reduce((before, next) => ({ ...next, name: 'after', children: [before] }));
    };
    const extra = shape === 'chord' ? 1 : 0;
    const dispatch = async (count, size, deadline) => {
      let next = 0;
      const caller = async () => {
        while (next < count && performance.now() < deadline) await flows.add(tree(next++ * size, size));
      };
      await Promise.all(Array.from({ length: callers }, caller));
    };
    const workflows = Math.max(1, Math.floor(Math.max(20, order.jobs) / size));
    const warm = workflows < 10 ? [1, Math.ceil(size / 10)] : [Math.floor(workflows / 10), size];
    const warmRuns = warm[0] * (warm[1] + extra);
    const runs = workflows * (size + extra);
    const marks = { [warmRuns]: resolvers(), [warmRuns + runs]: resolvers() };
    onRun = (at) => marks[count]?.resolve(at);
    await startWorker(concurrency);
    const within = (ms) => sleep(ms).then(() => null);
    await dispatch(...warm, performance.now() + order.limit * 1000);
    if ((await Promise.race([marks[warmRuns].promise, within(order.limit * 1000)])) === null) {
      throw new Error('the warm-up did not end');
    }
    const start = await reading();
    const limit = within(order.limit * 1000);
    await dispatch(workflows, size, start.at + order.limit * 1000);
    const last = await Promise.race([marks[warmRuns + runs].promise, limit]);
    const end = await reading();
    const done = end.count - start.count;
    const sample = rate(done, (last ?? end.at) - start.at, start, end);
    if (last === null) sample.more = { 'left at the limit': runs - done };
    return sample;
  },
  async latency() {
    await startWorker(10);
    const target = queue();
    await target.waitUntilReady();
    let deadline = Infinity;
    const taken = [];
    for (let n = 0; n < order.jobs + 10 && performance.now() < deadline; n += 1) {
      if (n === 10) deadline = performance.now() + order.limit * 1000;
      await sleep(4 + ((n * 7) % 11));
      const ran = resolvers();
      onRun = ran.resolve;
      const start = performance.now();
      await target.add('send', email(n));
      const at = await Promise.race([ran.promise, sleep(order.limit * 1000).then(() => performance.now())]);
      if (n >= 10) taken.push(at - start);
    }
    taken.sort((a, b) => a - b);
    const at = (part) => taken[Math.min(taken.length - 1, Math.floor(taken.length * part))];
    return { value: at(0.5), more: { p95: at(0.95), p99: at(0.99), samples: taken.length } };
  },
  async memory() {
    await fill(16 * 500);
    const before = await info('memory', 'used_memory');
    await fill(order.jobs);
    return { value: ((await info('memory', 'used_memory')) - before) / order.jobs };
  },
  async idle({ tasks }) {
    const before = await info('clients', 'connected_clients');
    await startWorker(10, tasks);
    await sleep(1000);
    const commands = await info('stats', 'total_commands_processed');
    const calls = await info('stats', 'total_reads_processed');
    const start = await reading();
    await sleep(order.limit * 1000);
    const end = await reading();
    // without what the meter sent since: five calls, and then six commands
    const called = (await info('stats', 'total_reads_processed')) - calls - 5;
    const spent = (await info('stats', 'total_commands_processed')) - commands - 6;
    const minutes = (end.at - start.at) / 60_000;
    return {
      value: Math.max(0, called) / minutes,
      more: {
        'commands with those in scripts': Math.max(0, spent) / minutes,
        connections: (await info('clients', 'connected_clients')) - before,
        'client CPU ms per minute': (end.client - start.client) / 1e3 / minutes,
        'redis CPU ms per minute': (end.redis - start.redis) / 1e3 / minutes,
      },
    };
  },
};

const sample = await kinds[order.kind](order);
console.log(JSON.stringify(sample));
process.exit(0);
