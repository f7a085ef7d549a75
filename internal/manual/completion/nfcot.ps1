# Completion of nfcot in PowerShell: nfcot completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName nfcot -ScriptBlock {
	param($word, $line, $position)
	$words = @($line.CommandElements | ForEach-Object { "$_" })
	if ($word -ne '' -and -not $word.StartsWith('-')) { $words = $words[0..($words.Count - 2)] }
	$rest = @($words | Select-Object -Skip 1) + '--generate-bash-completion'
	& $words[0] @rest 2>$null | Where-Object { $_ -like "$word*" } | ForEach-Object {
		[System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
	}
}
