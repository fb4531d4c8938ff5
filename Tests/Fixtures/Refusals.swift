public import Core

/// What a closure is refused with; nil when it is not.
public func refusal(_ body: () throws -> some Any) -> PosternError? {
  do {
    _ = try body()
    return nil
  } catch let error as PosternError {
    return error
  } catch {
    return PosternError("test.other-error", "\(error)", advice: "")
  }
}

/// What a closure is refused with; nil when it is not.
public func refusal(
  isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> some Any
) async -> PosternError? {
  do {
    _ = try await body()
    return nil
  } catch let error as PosternError {
    return error
  } catch {
    return PosternError("test.other-error", "\(error)", advice: "")
  }
}
