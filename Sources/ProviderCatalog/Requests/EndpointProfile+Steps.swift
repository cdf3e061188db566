package import TaskModel
package import VerbatimJSON

extension EndpointProfile {
    /// Asks for the result of a task whose record says that it is done; nil where the record holds it already.
    package func resultRequest(
        of id: RemoteTaskID, record: JSONValue
    ) throws(RequestProblem) -> UpstreamRequest? {
        try wire?.resultRequest(of: id, record: record, hosts: hosts)
    }

    /// Ends a task at the provider, so far as it can; nil where it cannot, or not in the state that the task's latest
    /// record tells.
    package func cancellation(
        of id: RemoteTaskID, record: JSONValue? = nil
    ) throws(RequestProblem) -> UpstreamRequest? {
        try wire?.cancellation(of: id, record: record)
    }

    /// Why a request could never be sent; nil where it could.
    package func problem(with request: JSONObject) -> RequestProblem? {
        do throws(RequestProblem) {
            _ = try submission(of: request, callbackURL: nil)
            return nil
        } catch {
            return error
        }
    }

    /// Whether the provider can be asked about a task of which only the id is known.
    package var canAskByID: Bool { wire.map { $0.poll?.path != nil } ?? true }
}
