from fs_api import Context, FSProcessorDriver


class Echo(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        ctx.emit(data)
