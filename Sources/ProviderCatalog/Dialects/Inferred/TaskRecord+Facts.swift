import TaskModel
import VerbatimJSON

extension TaskRecord {
    /// A Boolean that may be absent or unreadable.
    enum Flag: Hashable {
        case absent
        case yes
        case no
        /// Present, but not a Boolean. It must not count as true.
        case unreadable
    }

    /// The value of `success`. True does not mean finished, only that nothing has failed yet.
    var success: Flag {
        switch first("success") {
        case nil, .null: .absent
        case .bool(let flag): flag ? .yes : .no
        case .number(let number): number.integer == 1 ? .yes : number.integer == 0 ? .no : .unreadable
        case .string(let text): ["true": .yes, "false": .no][text.lowercased()] ?? .unreadable
        case .array, .object: .unreadable
        }
    }

    /// The reported progress.
    enum Progress: Hashable {
        /// 0 to 100.
        case percent(Double)
        /// Present, but not a credible number. It must not count as complete.
        case unreadable
    }

    /// The progress of the whole task, else of the slowest part.
    ///
    /// Numbers, texts such as `35%` and objects with a `percent` are documented.
    func progress(scale: ProgressScale) -> Progress? {
        if let whole = first("progress") { return Self.progress(whole, scale: scale) }
        let parts = items.compactMap { $0["progress"].flatMap { Self.progress($0, scale: scale) } }
        if parts.contains(.unreadable) { return .unreadable }
        return parts.compactMap(\.percent).min().map(Progress.percent)
    }

    static func progress(_ value: JSONValue, scale: ProgressScale) -> Progress? {
        let number: Double?
        switch value {
        case .null: return nil
        case .number(let told): number = told.double
        case .string(let text): number = Double(text.last == "%" ? String(text.dropLast()) : text)
        case .object(let object): number = object["percent"]?.number?.double
        case .bool, .array: number = nil
        }
        guard let number, number.isFinite else { return .unreadable }
        switch scale {
        case .percent: return .percent(number)
        case .fraction: return .percent(number * 100)
        }
    }

    /// The time of that name: Unix seconds, or RFC 3339 with its zone.
    ///
    /// Older pages show texts where newer ones show numbers. A text without a zone is ignored, since its clock is unknown.
    func time(_ name: String) -> Timestamp? {
        scopes.lazy.compactMap { Self.time($0[name]) }.first
    }

    static func time(_ value: JSONValue?) -> Timestamp? {
        switch value {
        case .number(let number):
            number.double.flatMap { $0 > 0 ? Timestamp(unixSeconds: $0) : nil }
        case .string(let text):
            Timestamp(rfc3339: text)
        case nil, .null, .bool, .array, .object:
            nil
        }
    }

    /// Whether the provider has recorded the end of the task, a success or a failure.
    var isStampedFinished: Bool {
        scopes.contains { scope in
            switch scope["finished_at"] {
            case .number(let number): (number.double ?? 0) > 0
            // A text without a zone still shows that the task ended.
            case .string(let text): text.prefix(4).count == 4 && text.prefix(4).allSatisfy(\.isNumber)
            case nil, .null, .bool, .array, .object: false
            }
        }
    }

    /// The provider's id of the call, for its support.
    var traceID: String? {
        (top["trace_id"]?.string ?? body?["trace_id"]?.string).flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension TaskRecord.Progress {
    var percent: Double? {
        if case .percent(let percent) = self { percent } else { nil }
    }
}
