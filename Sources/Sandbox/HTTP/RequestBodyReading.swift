import Hummingbird
import NIOCore

extension Request {
    /// What the documented `request_too_large` means here.
    static let maximumBodyBytes = 10 * 1024 * 1024

    /// The whole body as a JSON object; throws the provider's refusal of anything else.
    mutating func jsonObject() async throws -> JSONValue {
        let bytes = try await bodyBytes()
        let value: JSONValue
        do throws(JSONParseError) {
            value = try JSONParser.parse(bytes)
        } catch {
            throw ProviderError.badRequest("request body is not valid JSON: \(error.reason).")
        }
        guard case .object = value else { throw ProviderError.badRequest("request body must be a JSON object.") }
        return value
    }

    /// The whole body; throws `request_too_large` above the limit.
    ///
    /// What is too much is read on within reason before it is refused: closing on a client that still writes would
    /// reset the refusal out of its hands. The body stays in the request, so that `hold` can go on from it.
    mutating func bodyBytes() async throws -> [UInt8] {
        let buffer: ByteBuffer
        do {
            buffer = try await collectBody(upTo: 4 * Self.maximumBodyBytes)
        } catch is NIOTooManyBytesError {
            throw ProviderError.requestTooLarge
        }
        guard buffer.readableBytes <= Self.maximumBodyBytes else { throw ProviderError.requestTooLarge }
        return Array(buffer.readableBytesView)
    }
}
