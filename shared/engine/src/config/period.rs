//! Lengths of time and schedules as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time: `30s`, `5m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl Period {
    /// So many seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

const PERIOD: &str = "a length of time such as 30s, 5m, 2h or 7d";

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not {PERIOD}");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        // A hundred years are enough, and keep every sum of times far from overflowing.
        number
            .checked_mul(seconds)
            .filter(|s| *s <= 36_525 * 86_400)
            .map(|s| Self(Duration::from_secs(s)))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
            .iter()
            .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
        {
            Some((unit, letter)) => write!(f, "{}{letter}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::invalid_value(Unexpected::Str(&text), &PERIOD))
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+[smhd]$"})
    }
}

/// When a sync runs: `rate(1 hour)`, or `cron(0 6 * * ? *)` in the six fields of EventBridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(String);

const SCHEDULE: &str = "a schedule such as rate(1 hour), rate(15 minutes) or cron(0 6 * * ? *)";

impl Schedule {
    /// Every hour.
    pub fn hourly() -> Self {
        Self("rate(1 hour)".to_owned())
    }

    /// The schedule as EventBridge takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The distance between two runs, for a rate.
    pub fn every(&self) -> Option<Duration> {
        let rate = self.0.strip_prefix("rate(")?.strip_suffix(')')?;
        let (number, unit) = rate.split_once(' ')?;
        let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
        let seconds = match unit {
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            _ => return None,
        };
        // EventBridge wants `1 hour` and `2 hours`.
        let is_plural = unit.ends_with('s');
        (is_plural == (number > 1)).then(|| number.checked_mul(seconds).map(Duration::from_secs))?
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let schedule = Self(text.trim().to_owned());
        let cron = schedule.0.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
        let is_cron = cron.is_some_and(|fields| fields.split_ascii_whitespace().count() == 6);
        if is_cron || schedule.every().is_some() { Ok(schedule) } else { Err(format!("`{text}` is not {SCHEDULE}")) }
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::invalid_value(Unexpected::Str(&text), &SCHEDULE))
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(rate|cron)\\(.+\\)$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_back_from_their_own_text() {
        for text in ["30s", "5m", "2h", "7d", "90m", "0s"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        assert_eq!("3600s".parse::<Period>().unwrap().to_string(), "1h");
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in ["", "5", "m", "5 m", "-5m", "5w", "1.5h", "999999999999d", "5µ", "ü"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn schedules_are_those_of_eventbridge() {
        for (text, every) in
            [("rate(1 hour)", Some(3_600)), ("rate(15 minutes)", Some(900)), ("cron(0 6 * * ? *)", None)]
        {
            assert_eq!(text.parse::<Schedule>().unwrap().every(), every.map(Duration::from_secs), "{text}");
        }
        for text in ["hourly", "rate(1 hours)", "rate(2 hour)", "rate(0 minutes)", "rate(1 week)", "cron(0 6 * * *)"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
