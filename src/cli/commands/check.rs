//! `check`: what can be checked about one value, with no database and no network.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::{CliError, ExitStatus};
use crate::cli::tenant_fields::country;
use crate::model::business_id::{self, Country};

/// Check a value before it is put into a manifest or a command
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  synthex check business-id --country AU --id \"51 824 753 556\"\n  synthex check business-id --country UK --id GB980780684 --format json"
)]
pub enum CheckCommand {
    BusinessId(BusinessIdArgs),
}

/// Check the number of a business: ABN, NZBN, UK company or VAT number, EIN
///
/// Says which rule fails. A number that passes is well formed: whether it was issued, to whom, and is still valid, only its
/// register knows. Nothing is looked up, and the number goes nowhere. Exits with 0 where it passes, and with 3 where it does not.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  synthex check business-id --country AU --id \"51 824 753 556\"\n  synthex check business-id --country NZ --id 9429040402543\n  synthex check business-id --country US --id 91-1144442 --format json\n\nWith --format json: valid, country, scheme, schemeName, number (to store), display (as the register prints it), and rule and message where it does not pass."
)]
pub struct BusinessIdArgs {
    /// The country of the register: AU, NZ, UK or US
    #[arg(long, value_name = "COUNTRY", value_parser = country)]
    pub country: Country,
    /// The number, with or without spaces, dashes and dots
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub id: String,
}

/// Runs `check`.
///
/// # Errors
/// The value does not pass.
pub fn check(context: &Context, command: &CheckCommand) -> Result<ExitStatus, CliError> {
    super::only_human_or_json(context)?;
    let CheckCommand::BusinessId(args) = command;
    business_id(context, args)
}

fn business_id(context: &Context, args: &BusinessIdArgs) -> Result<ExitStatus, CliError> {
    let is_json = context.global.format == Format::Json;
    match business_id::parse(args.country, &args.id) {
        Ok(id) => {
            if is_json {
                context.printer.json(&json!({
                    "format_version": "1.0",
                    "valid": true,
                    "country": id.country.code(),
                    "scheme": id.scheme.code(),
                    "schemeName": id.scheme.name(),
                    "number": id.number,
                    "display": id.to_string(),
                    "rule": null,
                    "message": null,
                }));
            } else {
                context.printer.result(&format!("{id} is well formed: {}\n", id.scheme.name()));
                context.printer.note("Whether it was issued, and to whom, only the register knows.");
            }
            Ok(ExitStatus::Success)
        }
        Err(error) => {
            let scheme = error.scheme.map_or("business number", business_id::Scheme::name);
            let what = format!("this is no {scheme} of {}: rule {}", args.country, error.rule.code());
            let mut failure = CliError::new(ExitStatus::Usage, "business-id", what)
                .why(error.to_string())
                .help("compare it with the merchant's registration");
            failure.outcome = Some(Box::new(json!({
                "format_version": "1.0",
                "valid": false,
                "country": args.country.code(),
                "scheme": error.scheme.map(business_id::Scheme::code),
                "schemeName": error.scheme.map(business_id::Scheme::name),
                "number": null,
                "display": null,
                "rule": error.rule.code(),
                "message": error.to_string(),
            })));
            Err(failure)
        }
    }
}
