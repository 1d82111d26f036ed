//! What runs cost on AWS: how much of each service they use ([`usage`]), and what that costs ([`prices`]).
//!
//! Runs count records and batches; how many writes, reads, messages and seconds follow from that is known from how the
//! stages work. Each such figure stands in [`usage`] once, and each price in [`prices`].

pub mod month;
pub mod prices;
pub mod usage;
