import ArgumentParser

/// An endpoint's name in two parts.
struct EndpointArgument: ExpressibleByArgument {
    let service: String
    let operation: String

    init?(argument: String) {
        guard argument.contains("/") else {
            // The first part of `replicate:predictions` is `replicate:`.
            let rest = argument.drop { $0 != ":" }.dropFirst()
            guard !rest.isEmpty, argument.first != ":" else { return nil }
            service = String(argument.dropLast(rest.count))
            operation = String(rest)
            return
        }
        let halves = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else { return nil }
        service = String(halves[0])
        operation = String(halves[1])
    }
}
