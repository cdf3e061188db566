import HTTPTypes
import Hummingbird
import NIOCore

extension Request {
    /// The body size above which the provider replies `request_too_large`.
    static let maximumBodyBytes = 10 * 1024 * 1024

    /// Reads the whole body as a JSON object. Throws the provider's error for anything else.
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

    /// Reads the whole body as a form if its content type says so, else as a JSON object.
    mutating func formOrJSONObject() async throws -> JSONValue {
        guard let boundary = MultipartForm.boundary(in: headers[.contentType]) else { return try await jsonObject() }
        guard let object = MultipartForm.object(try await bodyBytes(), boundary: boundary) else {
            throw ProviderError.badRequest("request body is not the form that its content type says.")
        }
        return object
    }

    /// Reads the whole body. Throws `request_too_large` above the limit.
    ///
    /// Reads a bounded excess before rejecting it: closing early would reset the connection and discard the error.
    /// The body stays in the request so that `hold` can use it.
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
