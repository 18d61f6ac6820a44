from fs_api import Context, FSProcessorDriver


class Empty(FSProcessorDriver):
    def process(self, ctx: Context, source_id: int, data: bytes) -> None:
        pass
