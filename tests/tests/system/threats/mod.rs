//! Attacks and failures; each test carries the row of the threat list that it stands for.

mod administrators;
mod crash;
mod exclusive;
mod identity;
mod impostors;
mod instances;
mod load;
mod names;
mod secrets;
mod tenants;
