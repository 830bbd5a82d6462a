"""The demonstration: the Chengde AED campaign of 2024 told through the same services that staff use.

What the chapter published (393,600.00 yuan, 34 devices, 7,471 rescuers) is reproduced exactly; what
it did not publish is invented plausibly and marked 演示 wherever it is shown. Refused in production.
"""

PASSWORD = "boai-demo-2024"  # noqa: S105  printed at every start; production refuses the demonstration
STAFF: tuple[tuple[str, str, str], ...] = (
    ("editor@aed.example.org", "campaign_editor", "演示 项目编辑"),
    ("buyer@aed.example.org", "buyer", "演示 采购员"),
    ("finance@aed.example.org", "finance", "演示 财务"),
    ("installer@aed.example.org", "installer", "演示 安装巡检员"),
    ("auditor@aed.example.org", "auditor", "演示 审计"),
    ("admin@aed.example.org", "administrator", "演示 管理员"),
)
