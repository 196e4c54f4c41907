//! Limits of the wire, each with its reason. Brokers may lower them by configuration, never raise a name's.

/// Largest secret that one entry carries, in bytes: 1 MiB. Disk keys are 64 bytes; the largest thing
/// people keep beside them are certificate chains and small archives.
pub const MAX_DATA: usize = 1 << 20;

/// Room for everything in a message besides its data (names, type, times, credentials, framing), in bytes.
pub const MESSAGE_OVERHEAD: usize = 16 << 10;

/// Largest message body of the key service, in bytes.
pub const MAX_KEY_SERVICE_FRAME: usize = MAX_DATA + MESSAGE_OVERHEAD;

/// Largest message body at admission, in bytes: evidence with its certificates is below 16 KiB today.
pub const MAX_ADMISSION_FRAME: usize = 256 << 10;

/// Largest answer to a broker elsewhere, in bytes: a policy of at most 512 KiB, access rules, and keys.
pub const MAX_DOMAIN_STATE_FRAME: usize = 2 << 20;

/// Longest resource name, in bytes: fits every engine's key and a line of a log.
pub const MAX_RESOURCE_NAME: usize = 255;

/// Longest domain name, in bytes: one DNS label, for it is sent as SNI.
pub const MAX_DOMAIN_NAME: usize = 63;

/// Longest entry type, in bytes.
pub const MAX_ENTRY_TYPE: usize = 64;

/// Most names or versions on one page of an answer: with the longest names and types a page stays below
/// 120 KiB.
pub const MAX_PAGE: usize = 256;

/// Longest name of a kind of key, in bytes.
pub const MAX_KEY_KIND: usize = 32;
