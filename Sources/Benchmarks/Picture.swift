import Foundation

/// Draws how cost grows: one panel per kind, tasks on a logarithmic axis.
struct Picture {
    private let points: [Report.Point]
    private let colours = ["#1f6f8b", "#c1440e", "#5b8c2a", "#7b4fa3"]
    private let width = 640.0
    private let height = 260.0

    init(_ points: [Report.Point]) { self.points = points }

    var svg: String {
        let panels = Report.Panel.allCases.filter { panel in points.contains { $0.panel == panel } }
        let body = panels.enumerated().map { number, panel in
            "<g transform=\"translate(0 \(Double(number) * height))\">\(drawing(of: panel))</g>"
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height * Double(panels.count))" font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            \(body.joined(separator: "\n"))
            </svg>

            """
    }

    private func drawing(of panel: Report.Panel) -> String {
        let mine = points.filter { $0.panel == panel }
        let top = (mine.map(\.value).max() ?? 1) * 1.15
        let (left, right, upper, lower) = (60.0, width - 130, 40.0, height - 40)
        let exponents = mine.map { log10(Double($0.tasks)) }
        let (least, most) = (exponents.min() ?? 3, max(exponents.max() ?? 6, (exponents.min() ?? 3) + 1))
        func x(_ tasks: Int) -> Double { left + (log10(Double(tasks)) - least) / (most - least) * (right - left) }
        func y(_ value: Double) -> Double { lower - value / top * (lower - upper) }
        var parts = ["<text x=\"\(left)\" y=\"22\" font-weight=\"bold\">\(panel.rawValue)</text>"]
        for step in 0...4 {
            let value = top * Double(step) / 4
            parts.append("<line x1=\"\(left)\" x2=\"\(right)\" y1=\"\(y(value))\" y2=\"\(y(value))\" stroke=\"#ddd\"/>")
            let text = value >= 10 ? String(Int(value)) : String(format: "%.2f", value)
            parts.append("<text x=\"\(left - 8)\" y=\"\(y(value) + 4)\" text-anchor=\"end\">\(text)</text>")
        }
        for tasks in Set(mine.map(\.tasks)).sorted() {
            parts.append("<text x=\"\(x(tasks))\" y=\"\(lower + 18)\" text-anchor=\"middle\">\(tasks)</text>")
        }
        var series: [String] = []
        for point in mine where !series.contains(point.series) { series.append(point.series) }
        for (number, name) in series.enumerated() {
            let line = mine.filter { $0.series == name }.sorted { $0.tasks < $1.tasks }
            let colour = colours[number % colours.count]
            let path = line.map { "\(x($0.tasks)),\(y($0.value))" }.joined(separator: " ")
            parts.append("<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
            parts += line.map { "<circle cx=\"\(x($0.tasks))\" cy=\"\(y($0.value))\" r=\"3\" fill=\"\(colour)\"/>" }
            if let last = line.last {
                parts.append("<text x=\"\(right + 10)\" y=\"\(y(last.value) + 4)\" fill=\"\(colour)\">\(name)</text>")
            }
        }
        return parts.joined(separator: "\n")
    }
}
