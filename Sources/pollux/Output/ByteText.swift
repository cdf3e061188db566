/// ByteText writes numbers of bytes for reading.
enum ByteText {
    /// As `1.5 MB`, with decimal units.
    static func size(_ bytes: Int) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var tenths = max(0, bytes).multipliedReportingOverflow(by: 10).partialValue
        var unit = 0
        while tenths >= 10_000, unit < units.count - 1 {
            tenths /= 1000
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
