//! Counts and durations for Prometheus, in a registry of their own. Labels are routes and statuses, never names or ids.

use std::time::Duration;

use prometheus::{
    Encoder as _, Error, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
}

/// Takes one request off the number of those in flight when it is dropped, however the request ended.
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two metrics have the same name, which a test finds.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("rolekeeper_http_requests_total", "Answered requests."),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new("rolekeeper_http_request_duration_seconds", "Time from request to answer.")
                .buckets(vec![0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            &["method", "route"],
        )?;
        let in_flight = IntGauge::new("rolekeeper_http_requests_in_flight", "Requests being worked on.")?;
        let build = IntGauge::with_opts(
            Opts::new("rolekeeper_build_info", "Always 1; the version is a label.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self { registry, requests, durations, in_flight })
    }

    /// A request came in.
    pub fn request_started(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A request was answered. `route` is the pattern of the route, not the path.
    pub fn request_finished(&self, method: &str, route: &str, status: u16, elapsed: Duration) {
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.durations.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn render(&self) -> Result<String, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| Error::Msg(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered() {
        let metrics = Metrics::new().unwrap();
        let working = metrics.request_started();
        assert!(metrics.render().unwrap().contains("rolekeeper_http_requests_in_flight 1"));
        drop(working);
        metrics.request_finished("GET", "/api/v1/me", 200, Duration::from_millis(3));
        let text = metrics.render().unwrap();
        assert!(text.contains("rolekeeper_http_requests_in_flight 0"));
        let line = "rolekeeper_http_requests_total{method=\"GET\",route=\"/api/v1/me\",status=\"200\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
