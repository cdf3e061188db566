/// Runs the body as a child task, whose memory is freed at its end.
///
/// A task keeps the memory of its deepest call until it ends, and the task of a stream's connection may live for days.
package func inChildTask<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () async throws(Failure) -> Value
) async throws(Failure) -> Value {
    async let result = { () async -> Result<Value, Failure> in
        do throws(Failure) { return .success(try await body()) } catch { return .failure(error) }
    }()
    return try await result.get()
}
