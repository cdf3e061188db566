import TaskModel
import VerbatimJSON

extension DeclaredDialect {
    /// The values at the definition's pointers, in written order.
    ///
    /// The caller must know that the task has succeeded, because the record of a fetched result does not say so.
    func results(in record: JSONValue, of id: RemoteTaskID?) -> [TaskResult] {
        for places in [results, callback?.results ?? []] {
            let candidates = places.flatMap { record.located(at: $0) }
                .flatMap { ResultCandidate.all(in: $0.value, at: $0.path) }
            if !candidates.isEmpty { return ResultCandidate.results(candidates) }
        }
        guard let result, result.isFile else { return [] }
        return [file(result, of: id, in: record)].compactMap(\.self)
    }

    /// The result for a file that the provider keeps: its address. Fetching it needs the provider's token.
    private func file(_ result: ResultFetch, of id: RemoteTaskID?, in record: JSONValue) -> TaskResult? {
        if let place = result.url.lazy.flatMap({ record.located(at: $0) }).first(where: { $0.value.string != nil }) {
            return ResultCandidate.all(in: place.value, at: place.path).first?.result
        }
        guard let call = result.call, let id = id ?? self.id(in: record, at: recordID),
            // An id that cannot be part of an address was reported at the look-up.
            let request = try? request(call, id: id)
        else { return nil }
        return TaskResult(
            kind: .url, pointer: recordID.first ?? .whole, value: .string(hosts.baseURL + request.path),
            mediaType: kind == .text ? nil : "\(kind.rawValue)/*")
    }
}
