import Foundation

/// Renders the measurements of a soak test as a picture and a table.
struct SoakDrawing {
    let samples: [ProcessSample]
    let title: String

    /// The drawn values, each with its unit and scale.
    private static let curves:
        [(name: String, color: String, scale: Double, value: @Sendable (ProcessSample) -> Double)] = [
            ("resident memory, MB", "#1f77b4", 1e6, \.residentBytes),
            ("file descriptors", "#2ca02c", 1, \.descriptors),
            ("write-ahead log, MB", "#d62728", 1e6, \.walBytes),
            ("database, MB", "#7f7f7f", 1e6, \.databaseBytes),
        ]

    /// The maximum of each value, as a sentence.
    var summary: String {
        Self.curves.map { curve in
            let values = samples.map { curve.value($0) / curve.scale }
            let (least, most) = (values.min() ?? 0, values.max() ?? 0)
            return "\(curve.name) \(String(format: "%.1f to %.1f", least, most))"
        }.joined(separator: "; ")
    }

    /// One line per measurement.
    var csv: String {
        let rows = samples.map { sample in
            ([sample.second] + Self.curves.map { $0.value(sample) / $0.scale }).map { String(format: "%.2f", $0) }
                .joined(separator: ",")
        }
        return (["second," + Self.curves.map { $0.name.replacing(", ", with: " in ") }.joined(separator: ",")] + rows)
            .joined(separator: "\n") + "\n"
    }

    /// One plot per value, each from zero to its maximum.
    var svg: String {
        let (width, band, left) = (640.0, 110.0, 60.0)
        var body = "<text x=\"\(left)\" y=\"20\" font-size=\"14\">\(title)</text>\n"
        let last = max(samples.last?.second ?? 1, 1)
        for (index, curve) in Self.curves.enumerated() {
            let top = 40 + Double(index) * (band + 30)
            let values = samples.map { curve.value($0) / curve.scale }
            let most = max(values.max() ?? 1, 0.001)
            let points = zip(samples, values).map { sample, value in
                let (x, y) = (left + sample.second / last * width, top + band - value / most * band)
                return String(format: "%.1f,%.1f", x, y)
            }.joined(separator: " ")
            body += """
                <text x="\(left)" y="\(top + 2)" font-size="12">\(curve.name), at most \(String(format: "%.1f", most))</text>
                <line x1="\(left)" y1="\(top + band)" x2="\(left + width)" y2="\(top + band)" stroke="#bbb"/>
                <polyline fill="none" stroke="\(curve.color)" points="\(points)"/>

                """
        }
        let height = 50 + Double(Self.curves.count) * (band + 30)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(width + left + 20)" height="\(height)" \
            font-family="sans-serif" style="background:white">
            \(body)<text x="\(left)" y="\(height - 5)" font-size="12">0 to \(Int(last)) seconds</text>
            </svg>

            """
    }
}
