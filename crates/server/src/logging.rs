use crate::config::Config;
use tracing_subscriber::EnvFilter;

/// To standard error; standard output is for what was asked for.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
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
