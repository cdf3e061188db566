import TaskModel
import VerbatimJSON

extension DeclaredDialect {
    /// Exactly what stands at the places that the definition names, in written order.
    ///
    /// That the task has succeeded is the caller's to know, for the record of a fetched result does not say it.
    func results(in record: JSONValue, of id: RemoteTaskID?) -> [TaskResult] {
        for places in [results, callback?.results ?? []] {
            let candidates = places.flatMap { record.located(at: $0) }
                .flatMap { ResultCandidate.all(in: $0.value, at: $0.path) }
            if !candidates.isEmpty { return ResultCandidate.results(candidates) }
        }
        guard let result, result.isFile else { return [] }
        return [file(result, of: id, in: record)].compactMap(\.self)
    }

    /// A file that the provider keeps, by its address. Fetching it needs the provider's token.
    private func file(_ result: ResultFetch, of id: RemoteTaskID?, in record: JSONValue) -> TaskResult? {
        if let place = result.url.lazy.flatMap({ record.located(at: $0) }).first(where: { $0.value.string != nil }) {
            return ResultCandidate.all(in: place.value, at: place.path).first?.result
        }
        guard let call = result.call, let id = id ?? self.id(in: record, at: recordID),
            // An id that fits into no address was reported when the task was asked for.
            let request = try? request(call, id: id)
        else { return nil }
        return TaskResult(
            kind: .url, pointer: recordID.first ?? .whole, value: .string(hosts.baseURL + request.path),
            mediaType: kind == .text ? nil : "\(kind.rawValue)/*")
    }
}
