//! Counts and durations for Prometheus, in a registry of their own. Labels are routes and statuses, never names or ids.

use std::cell::RefCell;
use std::time::Duration;

use prometheus::{
    Encoder as _, Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
}

/// Takes one request off the number of those in flight when it is dropped, however the request ended.
pub struct InFlight<'m>(&'m IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Where the requests of one route with one method and one status are counted.
struct Series {
    method: &'static str,
    status: u16,
    requests: IntCounter,
    durations: Histogram,
}

impl Series {
    fn count(&self, elapsed: Duration) {
        self.requests.inc();
        self.durations.observe(elapsed.as_secs_f64());
    }
}

/// The counting of one route on one thread. It remembers where to count, because looking that up by the texts of the
/// labels costs more than counting.
pub struct RouteMeter {
    route: &'static str,
    known: RefCell<Vec<Series>>,
}

impl RouteMeter {
    /// For the route with that pattern.
    pub const fn new(route: &'static str) -> Self {
        Self { route, known: RefCell::new(Vec::new()) }
    }

    /// The pattern of the route.
    pub const fn route(&self) -> &'static str {
        self.route
    }

    /// A request to the route was answered.
    pub fn request_finished(&self, metrics: &Metrics, method: &'static str, status: u16, elapsed: Duration) {
        let mut known = self.known.borrow_mut();
        if let Some(series) = known.iter().find(|series| series.status == status && series.method == method) {
            series.count(elapsed);
            return;
        }
        let series = metrics.series(method, self.route, status);
        series.count(elapsed);
        known.push(series);
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
    pub fn request_started(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// A request was answered. `route` is the pattern of the route, not the path.
    pub fn request_finished(&self, method: &'static str, route: &str, status: u16, elapsed: Duration) {
        self.series(method, route, status).count(elapsed);
    }

    fn series(&self, method: &'static str, route: &str, status: u16) -> Series {
        Series {
            method,
            status,
            requests: self.requests.with_label_values(&[method, route, &status.to_string()]),
            durations: self.durations.with_label_values(&[method, route]),
        }
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
    #[test]
    fn what_a_route_counts_is_what_the_registry_tells() {
        let metrics = Metrics::new().unwrap();
        let (one, same_on_another_thread) = (RouteMeter::new("/api/v1/me"), RouteMeter::new("/api/v1/me"));
        for meter in [&one, &one, &same_on_another_thread] {
            meter.request_finished(&metrics, "GET", 200, Duration::from_millis(3));
            meter.request_finished(&metrics, "GET", 401, Duration::from_millis(3));
        }
        one.request_finished(&metrics, "HEAD", 200, Duration::from_millis(3));
        let text = metrics.render().unwrap();
        for (labels, count) in [
            ("requests_total{method=\"GET\",route=\"/api/v1/me\",status=\"200\"}", 3),
            ("requests_total{method=\"GET\",route=\"/api/v1/me\",status=\"401\"}", 3),
            ("requests_total{method=\"HEAD\",route=\"/api/v1/me\",status=\"200\"}", 1),
            ("request_duration_seconds_count{method=\"GET\",route=\"/api/v1/me\"}", 6),
        ] {
            assert!(text.contains(&format!("rolekeeper_http_{labels} {count}\n")), "{labels}\n{text}");
        }
    }
}
