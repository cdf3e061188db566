import LocalAPIContract
import TaskEngine
import TaskModel
import VerbatimJSON

extension EndpointDocument {
    /// The endpoint as the API shows it.
    init(_ report: EndpointReport) {
        self.init(name: report.name.text, provider: report.provider.text)
        kind = report.kind
        answers = report.answersOnlyInline ? "inline" : "asynchronously"
        batchSize = report.batchSize
        listing = report.listing
        example = report.example.map { .object($0) } ?? .null
        let (state, until, reason): (String, String?, String?) =
            switch report.block {
            case .paused(_, let code, let message): ("paused", nil, "\(code): \(message)")
            case .backingOff(_, let until, let failure):
                (
                    "backing_off", until.rfc3339,
                    failure.map { "\($0.code): \($0.message)" } ?? "after an error"
                )
            default: ("open", nil, nil)
            }
        self.state = state
        self.until = until
        self.reason = reason
        inFlight = report.inFlight
        queued = report.queued
        uncertain = report.uncertain
        maxInFlight = report.maxInFlight
        submitsPerSecond = report.submissionsPerSecond
        typicalSeconds = report.typical?.inSeconds
        learned = report.learned.map { learned in
            Durations(
                p50Seconds: learned.p50.inSeconds, p90Seconds: learned.p90.inSeconds, samples: learned.samples,
                curve: learned.curve?.map { CurvePoint(seconds: $0.age.inSeconds, ended: $0.share) })
        }
        finished = report.tracking.finished
        callsPerTask = report.tracking.callsPerTask
        meanLatenessSeconds = report.tracking.meanLateness?.inSeconds
        throttled = report.tracking.throttled
        polls = report.polled.total
        pollsPerMinute = Double(report.polled.perMinute)
        lastError = report.lastError.map { error in
            LastError(
                code: error.failure.code, message: error.failure.message, httpStatus: error.failure.httpStatus,
                at: error.at.rfc3339)
        }
        price = report.price.map { price in
            PriceDocument(
                unit: price.unit.text, words: price.words, origin: report.priceFile ?? "definition",
                source: price.source, asOf: price.asOf)
        }
        callbacks = report.callbacks.map { callbacks in
            Callbacks(
                expected: callbacks.expected, came: callbacks.came, missing: callbacks.missing,
                trust: callbacks.trust, meanDelaySeconds: callbacks.meanDelay?.inSeconds)
        }
        unrecognised = report.unrecognised.map { reading in
            Unrecognised(count: reading.count, lastShape: reading.lastShape, lastAt: reading.lastAt.rfc3339)
        }
    }
}
