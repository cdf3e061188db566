import TaskEngine

/// Writes metrics in the text format 0.0.4 of Prometheus
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
extension [MetricFamily] {
    /// All metrics with their help and type. Metrics without a series are left out.
    var text: String {
        var text = ""
        for family in self where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(family.help.escaped(alsoQuotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                let labels = sample.labels.map { #"\#($0.name)="\#($0.value.escaped(alsoQuotes: true))""# }
                let list = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
                text += "\(family.name)\(sample.suffix)\(list) \(sample.value.metricText)\n"
            }
        }
        return text
    }
}

extension Double {
    /// A whole number without a fraction, as most values are.
    fileprivate var metricText: String { Int64(exactly: self).map { "\($0)" } ?? "\(self)" }
}

extension String {
    fileprivate func escaped(alsoQuotes: Bool) -> String {
        let text = replacing("\\", with: #"\\"#).replacing("\n", with: #"\n"#)
        return alsoQuotes ? text.replacing("\"", with: #"\""#) : text
    }
}
