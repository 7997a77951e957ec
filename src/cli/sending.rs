//! What messages are sent with.

use std::path::Path;

use crate::engine::delivery::{Envelope, Failure, Sender, Sent};
use crate::kinds::notification_channel::ChannelType;

use super::args::Format;
use super::context::Context;
use super::error::CliError;
use super::printer::write_stderr;

/// Sends through every type of channel. Paths of secrets start from the project's folder.
///
/// # Errors
/// The environment holds something that is not understood.
pub fn sender<'c>(context: &'c Context, _folder: Option<&Path>) -> Result<impl Sender + use<'c>, CliError> {
    Ok(Senders { context })
}

struct Senders<'c> {
    context: &'c Context,
}

impl Sender for Senders<'_> {
    async fn send(&self, envelope: &Envelope<'_>) -> Result<Sent, Failure> {
        match envelope.spec.channel_type {
            ChannelType::Console => {
                let line = format!("{}: {}\n", envelope.message.severity.code(), envelope.message.title);
                // Where the result is JSON, it is alone on standard output.
                match self.context.global.format {
                    Format::Json => write_stderr(&line),
                    _ => self.context.printer.result(&line),
                }
                Ok(Sent::default())
            }
            _ => Err(Failure::permanent("channel_type", "nothing is sent through channels of this type yet")),
        }
    }
}
