//! A machine that has enrolled (`key-client enroll`) fetches its disk key and hands it on, all in memory:
//!
//! ```text
//! cargo run --example fetch_disk_key -- /var/lib/claviger 10.0.0.7:8120 storage-disk-key \
//!     | cryptsetup open /dev/vda2 data --key-file -
//! ```

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use claviger_client::state::StateDir;
use claviger_client::{Address, Connector, Options};
use claviger_proto::ResourceName;
use claviger_proto::key_service::Retrieve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match fetch().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            // The library's errors know their exit status and what to do next.
            let known = error.downcast_ref::<claviger_client::Error>();
            known.map_or(ExitCode::FAILURE, |known| ExitCode::from(known.exit_status()))
        }
    }
}

async fn fetch() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(state_dir), Some(broker), Some(name)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: fetch_disk_key STATE_DIR HOST:PORT NAME".into());
    };
    let broker: Address = broker.parse()?;
    let identity = StateDir::new(state_dir).identity().map_err(claviger_client::Error::from)?;
    let name = ResourceName::parse_in(identity.domain(), &name)?;

    // One connector makes many channels, one channel carries many requests.
    let connector = Connector::new(&identity, &Options::default())?;
    let mut channel = connector.connect(&broker).await?;
    let entry = channel.retrieve(Retrieve { name, version: None }).await?;

    // The blob is zeroized when `entry` goes; what becomes of the pipe's other end is up to that.
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(entry.blob.expose())?;
    stdout.flush()?;
    Ok(())
}
