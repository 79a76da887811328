use crate::config::Config;
use tracing_subscriber::EnvFilter;

/// To standard error; standard output is for what was asked for.
pub fn start(config: &Config) {
    // A plain level is about us; the store's engine tells much that concerns nobody.
    let level = &config.log.level;
    let plain = !level.contains(['=', ',']);
    let text = if plain { format!("{level},fjall=warn,lsm_tree=warn") } else { level.clone() };
    let filter = EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if config.log.format == "json" {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        builder.with_ansi(colours).try_init()
    };
    if let Err(error) = started {
        eprintln!("sottod: logging did not start: {error}");
    }
}
