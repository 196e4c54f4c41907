//! What a TPM's quote says, field by field.

use claviger_attest::TpmQuote;
use serde::Serialize;

/// Everything that a quote says.
#[derive(Serialize)]
pub(super) struct Claims {
    measurement: String,
    pcrs: String,
    extra_data: String,
    qualified_signer: String,
    clock_milliseconds: u64,
    clock_safe: bool,
    resets: u32,
    restarts: u32,
    firmware_version: String,
}

impl Claims {
    pub(super) fn of(quote: &TpmQuote) -> Self {
        let clock = quote.clock();
        Self {
            measurement: quote.measurement().to_string(),
            pcrs: quote.pcrs().to_string(),
            extra_data: hex::encode(quote.extra_data()),
            qualified_signer: hex::encode(quote.qualified_signer()),
            clock_milliseconds: clock.milliseconds,
            clock_safe: clock.safe,
            resets: clock.resets,
            restarts: clock.restarts,
            firmware_version: format!("{:#018x}", quote.firmware_version()),
        }
    }

    /// Lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |name: &str, value: &str| format!("  {name:<22}{value}");
        vec![
            line("measurement", &self.measurement),
            line("registers", &self.pcrs),
            line("extra data", &self.extra_data),
            line("qualified signer", &self.qualified_signer),
            line(
                "clock",
                &format!("{} ms{}", self.clock_milliseconds, if self.clock_safe { "" } else { ", not safe" }),
            ),
            line("resets", &self.resets.to_string()),
            line("restarts", &self.restarts.to_string()),
            line("firmware version", &self.firmware_version),
        ]
    }
}
