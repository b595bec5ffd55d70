//! A Redis Cluster of one's own: real servers that know of each other.

use std::io;
use std::time::{Duration, Instant};

use super::{RedisServer, Reply, ServerError, free_port};

/// How long the nodes may take to agree.
const PATIENCE: Duration = Duration::from_secs(20);
const SLOTS: u16 = 16_384;
/// Moves up to three keys of a pattern to the server at a port, and answers how many it were. Within the server, as keys
/// need not be text.
const MOVE_SOME: &str = "local keys = redis.call('KEYS', ARGV[1])
if #keys > 0 then
  redis.call('MIGRATE', '127.0.0.1', ARGV[2], '', 0, 5000, 'KEYS', unpack(keys, 1, math.min(#keys, 3)))
end
return math.min(#keys, 3)";

/// A running cluster. It ends when it is dropped, as its servers do.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
}

impl Cluster {
    /// Starts three masters with a third of the slots each, and waits until all of them agree on that.
    ///
    /// # Errors
    /// [`ServerError`], if a server does not start, or they do not agree in time.
    pub fn start() -> Result<Self, ServerError> {
        let mut cluster = Self { nodes: Vec::new() };
        for number in 0..3u16 {
            let node = Self::launch()?;
            let third = SLOTS.div_ceil(3);
            let (first, last) = (number * third, ((number + 1) * third - 1).min(SLOTS - 1));
            ok(&node, &["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
            ok(&node, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
            cluster.join(node)?;
        }
        cluster.agree(3)?;
        Ok(cluster)
    }

    fn launch() -> Result<RedisServer, ServerError> {
        let bus = free_port().map_err(ServerError::Machine)?.to_string();
        RedisServer::builder()
            .args(["--cluster-enabled", "yes", "--cluster-port", &bus])
            .args(["--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"])
            .args(["--repl-diskless-sync-delay", "0"])
            .start()
    }

    /// Introduces a server to the first one.
    fn join(&mut self, node: RedisServer) -> Result<(), ServerError> {
        if let Some(first) = self.nodes.first() {
            let bus = node.command(&["CONFIG", "GET", "cluster-port"]).map_err(ServerError::Machine)?;
            let bus = match bus {
                Reply::List(pair) => pair.get(1).and_then(Reply::text).unwrap_or("0").to_owned(),
                other => return Err(refused(&other)),
            };
            ok(first, &["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus])?;
        }
        self.nodes.push(node);
        Ok(())
    }

    /// Waits until every node knows so many, and finds the cluster in order.
    fn agree(&self, nodes: usize) -> Result<(), ServerError> {
        self.wait_until(|| {
            self.nodes.iter().all(|node| {
                let info = node.command(&["CLUSTER", "INFO"]);
                let info = info.ok().and_then(|info| info.text().map(str::to_owned)).unwrap_or_default();
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_known_nodes:{nodes}\r\n"))
            })
        })
    }

    fn wait_until(&self, holds: impl Fn() -> bool) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            if Instant::now() > deadline {
                let said =
                    self.nodes.first().map(|node| format!("{:?}", node.command(&["CLUSTER", "NODES"])));
                return Err(ServerError::Silent { waited: PATIENCE, log: said.unwrap_or_default() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The nodes: first the three masters, then replicas as they were added.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Kills this node, as a crash would.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// The slot of a key.
    ///
    /// # Errors
    /// If no node answers.
    pub fn slot(&self, key: &str) -> io::Result<u16> {
        let answer = self.ask(&["CLUSTER", "KEYSLOT", key])?;
        let slot = answer.number().and_then(|slot| u16::try_from(slot).ok());
        slot.ok_or_else(|| io::Error::other(format!("{answer:?} is no slot")))
    }

    /// The node that has this slot, as the first one that answers knows it.
    ///
    /// # Errors
    /// If no node answers, or nobody has it.
    pub fn owner(&self, slot: u16) -> io::Result<usize> {
        let shown = self.ask(&["CLUSTER", "NODES"])?;
        let has_slot = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse::<u16>(), last.parse::<u16>());
            first.is_ok_and(|first| first <= slot) && last.is_ok_and(|last| slot <= last)
        };
        let owner = shown.text().unwrap_or_default().lines().find_map(|line| {
            let mut words = line.split(' ');
            let (address, flags) = (words.nth(1)?, words.next()?);
            let is_owner = flags.contains("master") && !flags.contains("fail") && words.skip(5).any(has_slot);
            is_owner.then(|| address.split('@').next()?.rsplit(':').next()?.parse::<u16>().ok())?
        });
        let owner = owner.and_then(|port| self.nodes.iter().position(|node| node.port() == port));
        owner.ok_or_else(|| io::Error::other("nobody has the slot"))
    }

    fn ask(&self, command: &[&str]) -> io::Result<Reply> {
        let answers = self.nodes.iter().filter_map(|node| node.command(command).ok());
        answers.into_iter().next().ok_or_else(|| io::Error::other("no node answers"))
    }

    /// Adds a replica of a master, and waits until it has its data. Its place among the nodes.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn add_replica(&mut self, of: usize) -> Result<usize, ServerError> {
        let id = self.id(of)?;
        self.join(Self::launch()?)?;
        self.agree(self.nodes.len())?;
        let place = self.nodes.len() - 1;
        let node = &self.nodes[place];
        ok(node, &["CLUSTER", "REPLICATE", &id])?;
        self.wait_until(|| {
            node.info("master_link_status").is_ok_and(|status| status.as_deref() == Some("up"))
        })?;
        // the others must know that it may be elected
        self.wait_until(|| {
            self.nodes.iter().all(|node| {
                let known = node.command(&["CLUSTER", "REPLICAS", &id]);
                matches!(known, Ok(Reply::List(replicas)) if !replicas.is_empty())
            })
        })?;
        Ok(place)
    }

    fn id(&self, node: usize) -> Result<String, ServerError> {
        let id = self.nodes[node].command(&["CLUSTER", "MYID"]).map_err(ServerError::Machine)?;
        id.text().map(str::to_owned).ok_or_else(|| refused(&id))
    }

    /// Moves the slot of a hash tag with its keys to another master, some keys at a time, as an operator would; `between`
    /// is called while each of both has a part of them.
    ///
    /// # Errors
    /// If a node refuses.
    pub fn migrate(&self, tag: &str, to: usize, between: impl FnOnce()) -> Result<(), ServerError> {
        let key = format!("{{{tag}}}");
        let number = self.slot(&key).map_err(ServerError::Machine)?;
        let from = self.owner(number).map_err(ServerError::Machine)?;
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id, slot) = (self.id(from)?, self.id(to)?, number.to_string());
        ok(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id])?;
        ok(source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id])?;
        let (mut between, port) = (Some(between), target.port().to_string());
        loop {
            match source.command(&["EVAL", MOVE_SOME, "0", &format!("{key}*"), &port]) {
                Ok(Reply::Number(0)) => break,
                Ok(Reply::Number(_)) => {}
                other => return Err(refused(&other.map_err(ServerError::Machine)?)),
            }
            if let Some(between) = between.take() {
                between();
            }
        }
        ok(target, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id])?;
        ok(source, &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id])?;
        self.wait_until(|| self.owner(number).is_ok_and(|owner| owner == to))
    }
}

fn ok(node: &RedisServer, command: &[&str]) -> Result<(), ServerError> {
    match node.command(command).map_err(ServerError::Machine)? {
        refusal @ Reply::Error(_) => Err(refused(&refusal)),
        _ => Ok(()),
    }
}

fn refused(answer: &Reply) -> ServerError {
    ServerError::Machine(io::Error::other(format!("a node answered {answer:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_the_slots_and_give_them_away() {
        let cluster = Cluster::start().unwrap();
        let slot = cluster.slot("{a}b").unwrap();
        let owner = cluster.owner(slot).unwrap();
        assert_eq!(cluster.nodes()[owner].command(&["SET", "{a}b", "1"]).unwrap(), Reply::Text("OK".into()));
        let to = (owner + 1) % 3;
        cluster.migrate("a", to, || {}).unwrap();
        assert_eq!(cluster.nodes()[to].command(&["GET", "{a}b"]).unwrap(), Reply::Text("1".into()));
        let moved = cluster.nodes()[owner].command(&["GET", "{a}b"]).unwrap();
        assert!(matches!(&moved, Reply::Error(text) if text.starts_with("MOVED")), "{moved:?}");
    }
}
