//! How much of each service a run uses, by what it has counted.
//!
//! Writes, reads and messages are those of the access patterns in `shared/backend-aws/README.md`, in the order in which the
//! stages come by them. What runs do not count is assumed, and every assumption is a constant in here.

use engine::model::message::Reason;
use engine::model::run::Run;
use serde::Serialize;

use super::prices::{self, Usd};

/// Bytes of an archived row, compressed: 4,000 rows of 20 columns take 300 KB.
const ROW_BYTES: u64 = 75;

/// Of a hundred records that name others, so many different ones are named, which is what is looked up: many invoices have
/// one supplier.
const LOOKED_UP_OF_A_HUNDRED: u64 = 10;

/// Milliseconds of a poll before its first page and after its last: log in, ask for the time, log out.
const POLL_MS: u64 = 1_500;
/// Milliseconds of reading a thousand records: one page of an AIS server.
const POLL_MS_PER_THOUSAND: u64 = 1_000;
/// Milliseconds of mapping, with the way in and out of a batch.
const TRANSFORM_MS: u64 = 50;
const TRANSFORM_MS_PER_THOUSAND: u64 = 30;
/// Milliseconds of writing into a warehouse and of what is remembered of a batch.
const LOAD_MS: u64 = 100;
const LOAD_MS_PER_THOUSAND: u64 = 200;
/// Milliseconds of closing a run, and as much for telling a consumer: both sides count and add up.
const CLOSE_MS: u64 = 1_000;

/// Thousandths of a GB that the functions have, as the templates set it.
const MEMORY_THOUSANDTHS: u64 = 500;

/// A message is paid for per 64 KB begun.
const MESSAGE_BYTES: u64 = 64 << 10;

/// What is used of each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// DynamoDB write units.
    pub writes: u64,
    /// DynamoDB read units.
    pub reads: u64,
    /// SQS requests.
    pub requests: u64,
    /// Lambda invocations.
    pub invocations: u64,
    /// Milliseconds of Lambda functions.
    pub milliseconds: u64,
    /// Firings of schedules.
    pub firings: u64,
}

/// What a usage costs, by service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cost {
    /// Invocations and their time.
    pub lambda: Usd,
    /// Messages.
    pub sqs: Usd,
    /// Tables.
    pub dynamodb: Usd,
    /// Schedules.
    pub scheduler: Usd,
}

/// What is known of a sync beside its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Others look its records up, so that each has a link.
    pub keeps_links: bool,
    /// Its records name others.
    pub looks_up: bool,
    /// Somebody is told of its runs.
    pub is_told: bool,
    /// Syncs of its integration, which are asked for records that waited for it.
    pub siblings: u64,
}

impl Usage {
    /// Of a run.
    pub fn of(run: &Run, shape: Shape) -> Self {
        let mut usage = Self::begin_and_end(shape);
        usage.firings = u64::from(run.reason == Reason::Schedule);
        // A poll that continues itself is a message and an invocation more.
        let continued = u64::from(run.sequence);
        usage.requests += 3 * continued;
        usage.invocations += continued;
        usage.add(Self::of_batches(run));
        usage.add(Self::of_records(run, shape));
        usage
    }

    /// What every run needs, however few records it has.
    fn begin_and_end(shape: Shape) -> Self {
        // Poll: lease, permit and its return, the run, and that all is read. Close: its beginning, six steps, the watermark,
        // the proof.
        let writes = 1 + 2 + 4 + 1 + 1 + 6 + 1 + 1;
        // The same, each read before it is written; the run three times, whether the connection is stopped, what is held, what
        // expires, and what waits in each sync.
        let reads = 1 + 2 + 1 + 1 + 6 + 1 + 1 + 3 + 1 + 1 + 1 + shape.siblings;
        let told = u64::from(shape.is_told);
        Self {
            writes: writes + 2 * told,
            reads: reads + 3 * told,
            // Sent, received and deleted: the poll task and the close task.
            requests: 3 * (2 + told),
            invocations: 2 + told,
            milliseconds: POLL_MS + CLOSE_MS * (1 + told),
            firings: 0,
        }
    }

    fn of_batches(run: &Run) -> Self {
        let (batches, rows) = (u64::from(run.done), run.counts.polled);
        if batches == 0 {
            return Self::default();
        }
        let bytes = (rows * ROW_BYTES).div_ceil(batches);
        let (kilobytes, chunks) = (bytes.div_ceil(1_024), (bytes * 4).div_ceil(3 * MESSAGE_BYTES).max(1));
        let audit = if audited(run) > 0 { 2 } else { 0 };
        let each = Self {
            // Archive; done; audit; and the archive's expiry.
            writes: (6 + kilobytes) + 4 + audit + (2 + kilobytes),
            // Archive, done, held records.
            reads: 1 + 1 + 2,
            // Through two queues: sent and received by the chunk, and deleted.
            requests: 2 * (2 * chunks + 1),
            invocations: 2,
            milliseconds: TRANSFORM_MS + LOAD_MS,
            firings: 0,
        };
        Self {
            writes: each.writes * batches,
            reads: each.reads * batches,
            requests: each.requests * batches,
            invocations: each.invocations * batches,
            milliseconds: each.milliseconds * batches,
            firings: 0,
        }
    }

    fn of_records(run: &Run, shape: Shape) -> Self {
        let counts = &run.counts;
        let held = counts.rejected + counts.waiting;
        let mut usage = Self {
            // A line each; two for holding a record, in a transaction.
            writes: audited(run) + 2 * held,
            reads: held,
            milliseconds: counts.polled * (POLL_MS_PER_THOUSAND + TRANSFORM_MS_PER_THOUSAND + LOAD_MS_PER_THOUSAND)
                / 1_000,
            ..Self::default()
        };
        if shape.keeps_links {
            usage.reads += counts.inserted + counts.updated + counts.unchanged;
            usage.writes += counts.inserted;
        }
        if shape.looks_up {
            usage.reads += counts.polled * LOOKED_UP_OF_A_HUNDRED / 100;
        }
        usage
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.reads += other.reads;
        self.requests += other.requests;
        self.invocations += other.invocations;
        self.milliseconds += other.milliseconds;
        self.firings += other.firings;
    }

    /// At list prices.
    pub fn cost(&self) -> Cost {
        let time = self.milliseconds * MEMORY_THOUSANDTHS / 1_000;
        Cost {
            lambda: prices::INVOCATION * self.invocations + prices::GB_MILLISECOND * time,
            sqs: prices::REQUEST * self.requests,
            dynamodb: prices::WRITE * self.writes + prices::READ * self.reads,
            scheduler: prices::FIRING * self.firings,
        }
    }
}

impl Cost {
    /// All services together.
    pub fn total(&self) -> Usd {
        self.lambda + self.sqs + self.dynamodb + self.scheduler
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.lambda += other.lambda;
        self.sqs += other.sqs;
        self.dynamodb += other.dynamodb;
        self.scheduler += other.scheduler;
    }
}

/// Records that leave a line in the audit.
fn audited(run: &Run) -> u64 {
    let audited = engine::model::audit::Outcome::ALL.into_iter().filter(|outcome| outcome.is_audited());
    audited.map(|outcome| run.counts.of(outcome)).sum::<u64>() + run.swept
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use engine::model::audit::Counts;
    use engine::model::id::RunId;
    use engine::model::run::RunState;
    use engine::model::window::{Selection, Window};

    use super::*;

    /// A run over a million records in batches of 4,000.
    fn million(counts: Counts) -> Run {
        Run {
            id: RunId::new("1"),
            sync: "acme/jde-looker/ap_invoices".parse().unwrap(),
            epoch: 1,
            reason: Reason::Schedule,
            selection: Selection::Changes,
            window: Window::default(),
            complete_up_to: None,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: None,
            sequence: 0,
            expected: Some(250),
            done: 250,
            counts: Counts { polled: 1_000_000, ..counts },
            mapping: 1,
            touch: false,
            state: RunState::Complete,
            swept: 0,
            progress: None,
            settled_pages: 0,
            notes: Vec::new(),
            proof: None,
            warnings: Vec::new(),
        }
    }

    fn cost(run: &Run) -> Cost {
        Usage::of(run, Shape::default()).cost()
    }

    #[test]
    fn a_million_changed_records_cost_less_than_a_dollar_and_nearly_all_of_it_is_their_audit() {
        let run = million(Counts { updated: 1_000_000, ..Counts::default() });
        let cost = cost(&run);
        assert_eq!(cost.total().to_string(), "0.73");
        assert_eq!(cost.dynamodb.to_string(), "0.72");
        assert_eq!(Usage::of(&run, Shape::default()).requests, 30 * 250 + 6);
    }

    #[test]
    fn a_million_unchanged_records_cost_a_seventh_of_that() {
        let cost = cost(&million(Counts { unchanged: 1_000_000, ..Counts::default() }));
        assert_eq!(cost.total().to_string(), "0.11");
    }

    #[test]
    fn an_empty_run_costs_less_than_a_hundredth_of_a_cent() {
        let run = Run { done: 0, counts: Counts::default(), ..million(Counts::default()) };
        let usage = Usage::of(&run, Shape { siblings: 6, ..Shape::default() });
        assert_eq!((usage.requests, usage.invocations, usage.firings), (6, 2, 1));
        assert!(usage.cost().total() * 1_000 < prices::ALARM, "{}", usage.cost().total() * 1_000);
    }

    /// The figures of the access patterns are written down once for people, beside the code that they are of.
    #[test]
    fn the_figures_are_those_of_the_access_patterns() {
        let documented = include_str!("../../../../shared/backend-aws/README.md");
        for line in [
            "| `create_run`, `create_delivery` | 4 | |",
            "| `batch_done` | 4 | 1 |",
            "| `archive` | 6 and 1 per KB of rows | 1 |",
            "| `expire_archive` | per batch 2 and 1 per KB of rows |",
            "| `write_audit` | 2 and 1 per line;",
            "| `hold` | 2 per record,",
            "| `link` | 1, in a call of its own, per new or changed link | 1 per link |",
            "| two queues: 7 requests to send, 7 to receive, 1 to delete | 30 requests |",
        ] {
            assert!(documented.contains(line), "{line} has changed: so does what is counted here");
        }
    }
}
